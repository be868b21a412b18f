//! Passwords that change while the server runs.

use std::{
    fs, io,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::common::*;
use tokio::time::{Instant, sleep};

async fn read(storage: &dyn Storage) -> Result<()> {
    storage.get_session(&id("a")).await.map(drop)
}

/// Waits until reads succeed, or fail with this reason.
async fn until(storage: &dyn Storage, reason: Option<&str>) {
    let began = Instant::now();
    loop {
        let failure = read(storage).await.err().map(|error| format!("{error:?}"));
        let is_reached = match (&failure, reason) {
            (None, None) => true,
            (Some(failure), Some(reason)) => failure.contains(reason),
            _ => false,
        };
        if is_reached {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(3), "{failure:?} instead of {reason:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_changed_password_file_is_followed_without_a_restart() {
    let server = RedisServer::start_with(&["--requirepass", "first"]);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("password");
    fs::write(&file, "first\n").unwrap();
    let redis = Redis::builder(server.url()).password_file(&file).build().unwrap();
    let storage = RedisKeyValueStorage::new(redis);
    read(&storage).await.unwrap();

    let admin = |arguments: &[&str], password: &str| {
        server.cli(&[&["-a", password, "--no-auth-warning"], arguments].concat())
    };
    assert_eq!(admin(&["CONFIG", "SET", "requirepass", "second"], "first"), "OK");
    read(&storage).await.expect("an open connection stays");
    admin(&["CLIENT", "KILL", "TYPE", "normal"], "second");
    until(&storage, Some("WRONGPASS")).await;
    fs::write(&file, "second").unwrap();
    until(&storage, None).await;

    admin(&["CLIENT", "KILL", "TYPE", "normal"], "second");
    fs::remove_file(&file).unwrap();
    until(&storage, Some("No such file")).await;
    fs::write(&file, "second\r\n").unwrap();
    until(&storage, None).await;
}

#[tokio::test]
async fn a_function_is_asked_for_the_password_at_each_attempt_to_connect() {
    let server = RedisServer::start_with(&["--requirepass", "token-2"]);
    let asked = Arc::new(AtomicUsize::new(0));
    let number = asked.clone();
    let redis = Redis::builder(server.url()).password_from(move || {
        match number.fetch_add(1, Ordering::Relaxed) {
            0 => Err(io::Error::new(io::ErrorKind::TimedOut, "secret")),
            number => Ok(format!("token-{number}")),
        }
    });
    let storage = RedisKeyValueStorage::new(redis.build().unwrap());
    let failure = format!("{:?}", read(&storage).await.unwrap_err());
    assert!(failure.contains("no password: timed out"), "{failure}");
    assert!(!failure.contains("secret"), "{failure}");
    until(&storage, None).await;
    assert_eq!(asked.load(Ordering::Relaxed), 3);
}
