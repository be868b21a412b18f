//! The log lines of the file storage.

use std::sync::Mutex;

use log::{LevelFilter, Log, Metadata, Record};
use session_core::{FileStorage, SessionId, Storage};

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

// A single test, because a process has only one logger.
#[tokio::test]
async fn g10_g12_an_unreadable_file_is_logged_once_per_read_with_its_fault_but_not_its_content() {
    log::set_logger(&Recorder).unwrap();
    log::set_max_level(LevelFilter::Trace);
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(dir.path().join("sessions")).unwrap();
    let id = SessionId::parse("abcdefghijklmnop").unwrap();
    let file = dir.path().join("sessions/abcdefghijklmnop.session");

    for (content, fault) in [
        ("secret", "its first line is not a time in milliseconds and an id"),
        ("95617584000000 secret\n{\"a\":1}", "its first line names another id"),
        (
            "95617584000000 abcdefghijklmnop\n{\"a\":\"secret",
            "the text after its first line is not a JSON object",
        ),
    ] {
        std::fs::write(&file, content).unwrap();
        assert_eq!(storage.get_session(&id).await.unwrap(), None);
        assert!(!storage.remove_all(&id, None).await.unwrap());
        let line = format!("WARN the file of session abcdef… counts as no session: {fault}");
        let lines = std::mem::take(&mut *LINES.lock().unwrap());
        assert_eq!(lines, [line.as_str(), line.as_str()]);
    }

    std::fs::write(&file, "1000 abcdefghijklmnop\n{\"a\":1}").unwrap();
    assert_eq!(storage.get_session(&id).await.unwrap(), None);
    storage.sweep().await.unwrap();
    assert!(LINES.lock().unwrap().is_empty());

    #[cfg(unix)]
    {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(dir.path(), open).unwrap();
        FileStorage::open(dir.path()).unwrap();
        let line =
            format!("WARN session directory {} is accessible to other users", dir.path().display());
        assert_eq!(*LINES.lock().unwrap(), [line]);
    }
}
