//! The log lines of the file storage.

use std::{fs, mem, path::Path, sync::Mutex, time::Duration};

use log::{LevelFilter, Log, Metadata, Record};
use session_core::{
    Changes, FileStorage, Manager, Result, SessionId, SetOptions, Snapshot, Storage, Written,
};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Recorder;

impl Log for Recorder {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("session_core")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            LINES.lock().unwrap().push(format!("{} {}", record.level(), record.args()));
        }
    }

    fn flush(&self) {}
}

/// Takes the log, of which a process has only one, for a test.
async fn logged() -> tokio::sync::MutexGuard<'static, ()> {
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let guard = ALONE.lock().await;
    let _ = log::set_logger(&Recorder);
    log::set_max_level(LevelFilter::Trace);
    lines();
    guard
}

fn lines() -> Vec<String> {
    mem::take(&mut *LINES.lock().unwrap())
}

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

async fn create(storage: &FileStorage, id: &SessionId) -> Result<Written> {
    let items = Snapshot::parse(r#"{"a":1}"#).unwrap().unwrap();
    let options = SetOptions::create(Duration::from_secs(3600));
    storage.set_session(id, &Changes::between(None, &items), options).await
}

fn open(dir: &Path) -> FileStorage {
    FileStorage::open(dir.join("sessions")).unwrap()
}

#[tokio::test]
async fn g16_a_lock_file_that_cannot_be_used_is_logged_once_and_once_it_can_be_used() {
    let _guard = logged().await;
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    // FNV-1a of "foobar" is 85944171f73967e8, and 0xe8 % 64 is 40.
    let lock = dir.path().join("sessions/.lock-40");
    for _ in 0..2 {
        fs::remove_file(&lock).unwrap();
        fs::create_dir(&lock).unwrap();
        for _ in 0..100 {
            assert!(create(&storage, &id("foobar")).await.is_err());
            create(&storage, &SessionId::random()).await.ok();
        }
        let line = "WARN one session in 64 cannot be written: lock file .lock-40: Is a directory \
                    (os error 21); remove it, or give it to the user of this process";
        assert_eq!(lines(), [line]);
        fs::remove_dir(&lock).unwrap();
        for _ in 0..3 {
            create(&storage, &id("foobar")).await.unwrap();
        }
        assert_eq!(lines(), ["INFO lock file .lock-40 can be used again"]);
        storage.remove_all(&id("foobar"), None).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn g8_a_directory_that_cannot_be_used_is_logged_once_and_once_it_can_be_used() {
    let _guard = logged().await;
    let dir = tempfile::tempdir().unwrap();
    let sessions = dir.path().join("sessions");
    let manager = Manager::builder(FileStorage::open(&sessions).unwrap()).build().unwrap();
    fs::remove_dir_all(&sessions).unwrap();
    fs::write(&sessions, "").unwrap();
    for _ in 0..100 {
        assert!(manager.open(Some(id("a"))).data().await.is_err());
        let session = manager.open(None);
        session.set("n", 1).await.unwrap();
        assert!(session.close().await.failure.is_some());
    }
    let expected = ["read", "write"].map(|verb| {
        format!(
            "WARN sessions cannot be read or written: session storage failed: file: cannot {verb} \
             a session: Not a directory (os error 20)"
        )
    });
    // The manager sweeps, too, and reports that by itself.
    let relevant = |lines: Vec<String>| {
        let is_other = |line: &String| line.contains("sweep") || line.contains("is unknown to");
        lines.into_iter().filter(|line| !is_other(line)).collect::<Vec<_>>()
    };
    assert_eq!(relevant(lines()), expected);
    assert!(manager.last_failure().is_some_and(|last| last.reason.contains("cannot write")));

    fs::remove_file(&sessions).unwrap();
    let read = async || manager.open(Some(id("a"))).data().await.unwrap();
    assert_eq!(read().await, None);
    let sessions = sessions.display();
    let recreated =
        format!("WARN session directory {sessions} was removed with its sessions; created anew");
    assert_eq!(relevant(lines()), [recreated], "the failure may come back");
    tokio::time::advance(Duration::from_secs(10)).await;
    read().await;
    read().await;
    assert_eq!(relevant(lines()), ["INFO sessions are read and written again"]);
    assert_eq!(manager.last_failure(), None);
}

#[tokio::test]
async fn g10_g12_an_unreadable_file_is_logged_once_per_read_with_its_fault_but_not_its_content() {
    let _guard = logged().await;
    let dir = tempfile::tempdir().unwrap();
    let storage = open(dir.path());
    let id = id("abcdefghijklmnop");
    let file = dir.path().join("sessions/abcdefghijklmnop.session");

    for (content, fault) in [
        ("secret", "its first line is not a time in milliseconds and an id"),
        ("95617584000000 secret\n{\"a\":1}", "its first line names another id"),
        (
            "95617584000000 abcdefghijklmnop\n{\"a\":\"secret",
            "the text after its first line is not a JSON object",
        ),
    ] {
        fs::write(&file, content).unwrap();
        assert_eq!(storage.get_session(&id).await.unwrap(), None);
        assert!(!storage.remove_all(&id, None).await.unwrap());
        let line = format!("WARN the file of session abcdef… counts as no session: {fault}");
        assert_eq!(lines(), [line.as_str(), line.as_str()]);
    }

    fs::write(&file, "1000 abcdefghijklmnop\n{\"a\":1}").unwrap();
    assert_eq!(storage.get_session(&id).await.unwrap(), None);
    storage.sweep().await.unwrap();
    assert!(lines().is_empty());

    #[cfg(unix)]
    {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(dir.path(), open).unwrap();
        FileStorage::open(dir.path()).unwrap();
        let line =
            format!("WARN session directory {} is accessible to other users", dir.path().display());
        assert_eq!(lines(), [line]);
    }
}
