//! What is said in the log, and how often. A process of its own: there is one logger in each.
#![cfg(feature = "redis")]

mod common;

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use common::*;
use log::{Level, LevelFilter, Log, Metadata, Record};

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

struct Lines;

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("session_core")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap().push((record.level(), record.args().to_string()));
        }
    }

    fn flush(&self) {}
}

fn lines() -> Vec<(Level, String)> {
    std::mem::take(&mut *LINES.lock().unwrap())
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let patience = Instant::now() + Duration::from_secs(3);
    while !condition().await {
        assert!(Instant::now() < patience);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_log_tells_of_outages_once_and_of_records_without_their_names() {
    log::set_logger(&Lines).unwrap();
    log::set_max_level(LevelFilter::Debug);
    let mut server = RedisServer::start_with(&["--requirepass", "secret"]);
    let address = format!("127.0.0.1:{}", server.port());
    let url = format!("redis://:secret@{address}");
    let redis = Redis::builder(&url).build().unwrap();
    let storage = std::sync::Arc::new(RedisKeyValueStorage::new(redis));

    // Many requests, from all threads.
    let storm = async |storage: &std::sync::Arc<RedisKeyValueStorage>| {
        let requests: Vec<_> = (0..100)
            .map(|_| {
                let storage = storage.clone();
                tokio::spawn(async move { storage.get_session(&id("a")).await.is_ok() })
            })
            .collect();
        let mut good = 0;
        for request in requests {
            good += usize::from(request.await.unwrap());
        }
        good
    };
    assert_eq!(storm(&storage).await, 100);
    assert_eq!(lines(), []);

    server.kill();
    until(async || storm(&storage).await == 0).await;
    let told = lines();
    let expected = format!("redis {address} is not reachable: connection refused");
    assert_eq!(told, [(Level::Warn, expected)]);

    server.restart();
    until(async || storm(&storage).await == 100).await;
    until(async || !LINES.lock().unwrap().is_empty()).await;
    assert_eq!(lines(), [(Level::Info, format!("redis {address} is back"))]);

    let name = "abcdefghijklmnopqrstuvwxyz234567";
    server.cli(&["-a", "secret", "RPUSH", &format!("session:{name}"), "value"]);
    assert!(storage.get_session(&id(name)).await.unwrap().is_none());
    let expected = "session:abcdef… is of another type and counts as no session".to_owned();
    assert_eq!(lines(), [(Level::Warn, expected)]);
    server.cli(&["-a", "secret", "SET", &format!("session:{name}"), "value"]);
    assert!(storage.get_session(&id(name)).await.unwrap().is_none());
    let expected = "session:abcdef… is not a JSON object and counts as no session".to_owned();
    assert_eq!(lines(), [(Level::Warn, expected)]);

    Redis::builder(&url).prefix("").build().unwrap();
    assert!(matches!(&lines()[..], [(Level::Warn, line)] if !line.contains("secret")));
}
