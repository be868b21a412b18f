//! The log lines of the Redis client. A test binary of its own, since a process has one logger.
#![cfg(feature = "redis")]

mod common;

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use common::*;
use log::{Level, LevelFilter, Log, Metadata, Record};

static LINES: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

struct Recorder;

impl Log for Recorder {
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

fn take_lines() -> Vec<(Level, String)> {
    std::mem::take(&mut *LINES.lock().unwrap())
}

async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(3);
    while !condition().await {
        assert!(Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn outages_are_logged_once_and_unreadable_records_without_their_ids() {
    log::set_logger(&Recorder).unwrap();
    log::set_max_level(LevelFilter::Debug);
    let mut server = RedisServer::start_with(&["--requirepass", "secret"]);
    let address = format!("127.0.0.1:{}", server.port());
    let url = format!("redis://:secret@{address}");
    let redis = Redis::builder(&url).build().unwrap();
    let storage = std::sync::Arc::new(RedisKeyValueStorage::new(redis));

    // Returns how many of 100 concurrent requests succeed.
    let burst = async |storage: &std::sync::Arc<RedisKeyValueStorage>| {
        let requests: Vec<_> = (0..100)
            .map(|_| {
                let storage = storage.clone();
                tokio::spawn(async move { storage.get_session(&id("a")).await.is_ok() })
            })
            .collect();
        let mut succeeded = 0;
        for request in requests {
            succeeded += usize::from(request.await.unwrap());
        }
        succeeded
    };
    assert_eq!(burst(&storage).await, 100);
    assert_eq!(take_lines(), []);

    server.kill();
    until(async || burst(&storage).await == 0).await;
    let mut logged = take_lines();
    // One thread may find out while others still have connections.
    if logged.len() > 1 {
        assert!(logged[0].1.ends_with("requests share the connections there are"), "{logged:?}");
        logged.remove(0);
    }
    // The first attempt may still have reached the dying server.
    let [lost, refused] = ["lost", "refused"]
        .map(|how| [(Level::Warn, format!("redis {address} is not reachable: connection {how}"))]);
    assert!(logged == lost || logged == refused, "{logged:?}");

    server.restart();
    until(async || burst(&storage).await == 100).await;
    until(async || !LINES.lock().unwrap().is_empty()).await;
    assert_eq!(take_lines(), [(Level::Info, format!("redis {address} is back"))]);

    let name = "abcdefghijklmnopqrstuvwxyz234567";
    server.cli(&["-a", "secret", "RPUSH", &format!("session:{name}"), "value"]);
    assert!(storage.get_session(&id(name)).await.unwrap().is_none());
    let expected = "session:abcdef… is of another type and counts as no session".to_owned();
    assert_eq!(take_lines(), [(Level::Warn, expected)]);
    server.cli(&["-a", "secret", "SET", &format!("session:{name}"), "value"]);
    assert!(storage.get_session(&id(name)).await.unwrap().is_none());
    let expected = "session:abcdef… is not a JSON object and counts as no session".to_owned();
    assert_eq!(take_lines(), [(Level::Warn, expected)]);

    Redis::builder(&url).prefix("").build().unwrap();
    assert!(matches!(&take_lines()[..], [(Level::Warn, line)] if !line.contains("secret")));
    drop(storage);

    server.cli(&["-a", "secret", "ACL", "SETUSER", "default", "-client|tracking"]);
    take_lines();
    let redis = Redis::builder(&url).near_cache(1 << 20).build().unwrap();
    let storage = std::sync::Arc::new(RedisKeyValueStorage::new(redis));
    assert_eq!(burst(&storage).await, 100);
    let expected = format!(
        "redis {address} refuses CLIENT TRACKING: no permission for client|tracking (NOPERM): \
         works without the near cache"
    );
    assert_eq!(take_lines(), [(Level::Warn, expected)], "once for all threads");

    // A request that waits for a busy thread blames nobody.
    let id = id("a");
    let read = storage.get_session(&id);
    let busy = async {
        tokio::time::sleep(Duration::from_millis(20)).await;
        std::thread::sleep(Duration::from_millis(1500));
    };
    let (session, ()) = tokio::join!(read, busy);
    assert!(session.is_ok());
    assert_eq!(take_lines(), []);
}
