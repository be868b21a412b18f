//! The log lines of a memory storage that is full.

use std::{mem, sync::Mutex, time::Duration};

use log::{LevelFilter, Log, Metadata, Record};
use session_core::{
    Changes, MemoryStorage, Result, SessionId, SetOptions, Snapshot, Storage, Written,
};
use tokio::time::advance;

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

impl Log for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        LINES.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
    }

    fn flush(&self) {}
}

async fn create(storage: &MemoryStorage, item: &str) -> Result<Written> {
    let items = Snapshot::parse(format!(r#"{{"a":"{item}"}}"#)).unwrap().unwrap();
    let options = SetOptions::create(Duration::from_secs(60));
    storage.set_session(&SessionId::random(), &Changes::between(None, &items), options).await
}

// A single test, because a process has only one logger.
#[tokio::test(start_paused = true)]
async fn a_full_store_is_logged_once_for_each_reason_and_so_is_its_end() {
    log::set_logger(&Recorder).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let lines = || mem::take(&mut *LINES.lock().unwrap());
    let storage = MemoryStorage::new().max_sessions(2).max_bytes(2_000);
    create(&storage, "").await.unwrap();
    for _ in 0..100 {
        assert!(create(&storage, &"x".repeat(2_000)).await.is_err());
    }
    create(&storage, "").await.unwrap();
    for _ in 0..100 {
        assert!(create(&storage, "secret").await.is_err());
    }
    let reasons = ["max_bytes is 2000", "max_sessions is 2"];
    let expected = reasons
        .map(|reason| format!("WARN sessions are refused: memory storage is full: {reason}"));
    assert_eq!(lines(), expected);

    advance(Duration::from_secs(60)).await;
    create(&storage, "").await.unwrap();
    create(&storage, "").await.unwrap();
    assert_eq!(lines(), ["INFO no longer: sessions are refused"]);
    assert!(create(&storage, "secret").await.is_err());
    assert_eq!(lines(), expected[1..]);
}
