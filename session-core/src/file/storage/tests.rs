use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::SystemTime};

use tempfile::TempDir;

use super::*;

pub(super) const HOUR: Duration = Duration::from_secs(3600);
pub(super) const UPDATE: SetOptions<'_> = SetOptions::update(HOUR);
/// In the year 5000.
const LATER: u64 = 95_617_584_000_000;

pub(super) fn storage() -> (TempDir, FileStorage) {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(dir.path().join("sessions")).unwrap();
    (dir, storage)
}

pub(super) fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

pub(super) fn set(items: &str) -> Changes {
    Changes::between(None, &Snapshot::parse(items).unwrap().unwrap())
}

pub(super) fn file(storage: &FileStorage, id: &SessionId) -> PathBuf {
    storage.directory.path().join(format!("{}.session", id.as_str()))
}

pub(super) async fn create(storage: &FileStorage, id: &SessionId, ttl: Duration) {
    let written = storage.set_session(id, &set(r#"{"a":1}"#), SetOptions::create(ttl)).await;
    assert_eq!(written.unwrap(), Written::Saved);
}

pub(super) async fn json(storage: &FileStorage, id: &SessionId) -> Option<String> {
    let session = storage.get_session(id).await.unwrap();
    session.map(|session| session.to_json().into_owned())
}

pub(super) fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.retain(|name| !name.starts_with(".lock-"));
    names.sort();
    names
}

#[tokio::test]
async fn only_the_owner_can_read_sessions() {
    let (_dir, storage) = storage();
    create(&storage, &id("user-17"), HOUR).await;
    let dir = storage.directory.path();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(dir), 0o700);
    for entry in fs::read_dir(dir).unwrap() {
        assert_eq!(mode(&entry.unwrap().path()), 0o600);
    }
}

#[tokio::test]
async fn a_session_is_stored_as_one_file_of_two_readable_lines() {
    let (_dir, storage) = storage();
    create(&storage, &id("user-17"), HOUR).await;
    storage.set_session(&id("user-17"), &set(r#"{"b":2.50}"#), UPDATE).await.unwrap();
    let text = fs::read_to_string(file(&storage, &id("user-17"))).unwrap();
    let (expires, rest) = text.split_once(' ').unwrap();
    assert_eq!(rest, "user-17\n{\"a\":1,\"b\":2.50}\n");
    let expires = SystemTime::UNIX_EPOCH + Duration::from_millis(expires.parse().unwrap());
    let left = expires.duration_since(SystemTime::now()).unwrap();
    assert!(left <= HOUR && left > HOUR - Duration::from_secs(10), "{left:?}");
    assert_eq!(names(storage.directory.path()), ["user-17.session"]);

    storage.remove_all(&id("user-17"), None).await.unwrap();
    assert!(names(storage.directory.path()).is_empty());
}

#[tokio::test]
async fn edits_by_hand_are_read_at_once_and_kept_by_the_next_write() {
    let (_dir, storage) = storage();
    let id = id("user-17");
    let edited = format!("{LATER} user-17\n{{\n  \"name\": \"bob\",\n  \"age\": 2.50\n}}\n\n");
    fs::write(file(&storage, &id), edited).unwrap();
    assert_eq!(json(&storage, &id).await.unwrap(), r#"{"age":2.50,"name":"bob"}"#);

    let seen = storage.get_session(&id).await.unwrap();
    assert!(storage.update_ttl(&id, TtlRange::at_least(HOUR)).await.unwrap());
    assert_eq!(storage.get_session(&id).await.unwrap(), seen);
    storage.set_session(&id, &set(r#"{"b":1}"#), UPDATE).await.unwrap();
    assert_eq!(json(&storage, &id).await.unwrap(), r#"{"age":2.50,"b":1,"name":"bob"}"#);
    assert!(!storage.remove_all(&id, seen.as_ref()).await.unwrap());
}

#[tokio::test]
async fn a_restart_keeps_sessions() {
    let (_dir, storage) = storage();
    create(&storage, &id("user-17"), HOUR).await;
    let reopened = FileStorage::open(storage.directory.path()).unwrap();
    assert_eq!(json(&reopened, &id("user-17")).await.unwrap(), r#"{"a":1}"#);
}

/// Asserts that no method finds a session at this id, and that none writes to it.
async fn assert_left_alone(storage: &FileStorage, id: &SessionId) {
    assert_eq!(storage.get_session(id).await.unwrap(), None);
    assert_eq!(storage.expires_in(id).await.unwrap(), None);
    assert_eq!(storage.get_size(id).await.unwrap(), 0);
    assert!(!storage.update_ttl(id, TtlRange::at_least(HOUR)).await.unwrap());
    assert!(!storage.remove_all(id, None).await.unwrap());
    for options in [SetOptions::create(HOUR), UPDATE] {
        let written = storage.set_session(id, &set(r#"{"b":2}"#), options).await;
        assert_eq!(written.unwrap(), Written::Refused);
    }
    let other = SessionId::random();
    assert!(!storage.rename(id, &other, RenameOptions::default()).await.unwrap());
    create(storage, &other, HOUR).await;
    assert!(!storage.rename(&other, id, RenameOptions::default()).await.unwrap());
    storage.remove_all(&other, None).await.unwrap();
    storage.sweep().await.unwrap();
}

#[tokio::test]
async fn g10_a_file_that_is_not_a_session_is_left_as_it_is() {
    let (_dir, storage) = storage();
    let id = id("user-17");
    for content in [
        &b""[..],
        b"torn",
        b"95617584000000 user-17\n{\"a\":1",
        b"95617584000000 user-17\n[1]\n",
        b"95617584000000 user-18\n{\"a\":1}\n",
        b"0 user-18\n{\"a\":1}\n",
        b"{\"a\":1}\n",
        b"\xff\xfe\x00",
    ] {
        fs::write(file(&storage, &id), content).unwrap();
        assert_left_alone(&storage, &id).await;
        assert_eq!(fs::read(file(&storage, &id)).unwrap(), content);
    }
}

#[tokio::test]
async fn g10_directories_and_pipes_are_left_as_they_are() {
    let (_dir, storage) = storage();
    let (dir, pipe) = (id("directory"), id("pipe"));
    fs::create_dir(file(&storage, &dir)).unwrap();
    assert!(Command::new("mkfifo").arg(file(&storage, &pipe)).status().unwrap().success());
    assert_left_alone(&storage, &dir).await;
    assert_left_alone(&storage, &pipe).await;
    assert_eq!(names(storage.directory.path()), ["directory.session", "pipe.session"]);
}

#[tokio::test]
async fn ids_that_differ_only_in_case_are_kept_apart_on_a_case_insensitive_file_system() {
    let (_dir, storage) = storage();
    create(&storage, &id("user-A"), HOUR).await;
    // Such a file system finds the one file under both names.
    fs::copy(file(&storage, &id("user-A")), file(&storage, &id("user-a"))).unwrap();
    assert_left_alone(&storage, &id("user-a")).await;
    assert!(json(&storage, &id("user-A")).await.is_some());
}

#[tokio::test]
async fn the_file_of_a_session_that_is_expired_or_without_items_is_replaced() {
    let (_dir, storage) = storage();
    let id = id("user-17");
    for content in ["95617584000000 user-17\n{}\n", "1000 user-17\n{\"a\":1}\n"] {
        fs::write(file(&storage, &id), content).unwrap();
        assert_eq!(json(&storage, &id).await, None);
        create(&storage, &id, HOUR).await;
        storage.remove_all(&id, None).await.unwrap();
    }
}

#[tokio::test]
async fn the_sweep_removes_expired_sessions_and_stale_temporary_files_only() {
    let (_dir, storage) = storage();
    let dir = storage.directory.path();
    create(&storage, &id("alive"), HOUR).await;
    for number in 0..250 {
        let id = id(&format!("expired-{number}"));
        fs::write(file(&storage, &id), format!("1000 {}\n{{\"a\":1}}\n", id.as_str())).unwrap();
    }
    fs::write(dir.join("0 notes.session"), "1000 notes\n{}").unwrap();
    fs::write(dir.join("notes.txt"), "1000 notes\n{}").unwrap();
    fs::write(dir.join(".new.tmp"), "").unwrap();
    let stale = fs::File::create(dir.join(".stale.tmp")).unwrap();
    stale.set_modified(SystemTime::now() - Duration::from_secs(61)).unwrap();

    storage.sweep().await.unwrap();
    assert_eq!(names(dir), [".new.tmp", "0 notes.session", "alive.session", "notes.txt"]);
}

#[tokio::test]
async fn the_sweep_skips_a_locked_session() {
    let (_dir, storage) = storage();
    let id = id("user-17");
    fs::write(file(&storage, &id), "1000 user-17\n{\"a\":1}\n").unwrap();
    let guard = Locks::new().try_lock(&storage.directory, &id).unwrap().unwrap();
    storage.sweep().await.unwrap();
    assert!(file(&storage, &id).exists());
    drop(guard);
    storage.sweep().await.unwrap();
    assert!(!file(&storage, &id).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_never_removes_a_session_that_is_being_replaced() {
    let (_dir, storage) = storage();
    let sweeps = tokio::spawn({
        let storage = storage.clone();
        async move {
            loop {
                storage.sweep().await.unwrap();
            }
        }
    });
    for number in 0..100 {
        let id = id(&format!("user-{number}"));
        fs::write(file(&storage, &id), format!("1000 user-{number}\n{{\"a\":1}}\n")).unwrap();
        create(&storage, &id, HOUR).await;
    }
    sweeps.abort();
    assert!(sweeps.await.unwrap_err().is_cancelled());
    for number in 0..100 {
        assert!(json(&storage, &id(&format!("user-{number}"))).await.is_some());
    }
}

#[tokio::test]
async fn a_write_dropped_while_it_waits_for_another_process_never_happens() {
    let (_dir, storage) = storage();
    let id = id("user-17");
    create(&storage, &id, HOUR).await;
    let guard = Locks::new().try_lock(&storage.directory, &id).unwrap().unwrap();
    let (late, limit) = (set(r#"{"late":1}"#), Duration::from_millis(50));
    let write = storage.set_session(&id, &late, UPDATE);
    assert!(tokio::time::timeout(limit, write).await.is_err());
    let removal = storage.remove_all(&id, None);
    assert!(tokio::time::timeout(limit, removal).await.is_err());
    // Readers need no lock.
    assert_eq!(json(&storage, &id).await.unwrap(), r#"{"a":1}"#);
    drop(guard);
    // Queues behind the blocking threads of the dropped operations.
    storage.set_session(&id, &set(r#"{"b":2}"#), UPDATE).await.unwrap();
    assert_eq!(json(&storage, &id).await.unwrap(), r#"{"a":1,"b":2}"#);
    assert_eq!(names(storage.directory.path()), ["user-17.session"]);
}

#[test]
fn g8_a_stopped_process_does_not_block_a_shutdown() {
    let (_dir, storage) = storage();
    let _guard = Locks::new().try_lock(&storage.directory, &id("user-17")).unwrap().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let id = id("user-17");
        let removal = storage.remove_all(&id, None);
        assert!(tokio::time::timeout(Duration::from_millis(50), removal).await.is_err());
    });
    // Waits for the blocking threads: a failure of this test is a hang.
    drop(runtime);
}

#[tokio::test]
async fn g12_errors_about_a_missing_directory_name_neither_path_nor_id() {
    let (dir, storage) = storage();
    let id = id("user-17-with-a-long-name");
    create(&storage, &id, HOUR).await;
    fs::remove_dir_all(dir.path()).unwrap();
    let items = set(r#"{"a":1}"#);
    for error in [
        storage.set_session(&id, &items, SetOptions::create(HOUR)).await.unwrap_err(),
        storage.get_session(&id).await.unwrap_err(),
        storage.expires_in(&id).await.unwrap_err(),
        storage.update_ttl(&id, TtlRange::at_least(HOUR)).await.unwrap_err(),
        storage.remove_all(&id, None).await.unwrap_err(),
        storage.rename(&id, &SessionId::random(), RenameOptions::default()).await.unwrap_err(),
        storage.sweep().await.unwrap_err(),
    ] {
        assert!(error.is_unavailable());
        let shown = format!("{error:?}");
        assert!(shown.contains("No such file"), "{shown}");
        assert!(!shown.contains('/') && !shown.contains("user-17"), "{shown}");
    }
}

#[tokio::test]
async fn debug_shows_the_directory_only() {
    let (_dir, storage) = storage();
    let shown = format!("{storage:?}");
    assert_eq!(shown, format!("FileStorage({:?})", storage.directory.path()));
}
