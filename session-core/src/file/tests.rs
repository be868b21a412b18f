use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command, time::SystemTime};

use tempfile::TempDir;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);
const UPDATE: SetOptions<'_> = SetOptions::update(HOUR);
/// In the year 5000.
const LATER: u64 = 95_617_584_000_000;

fn storage() -> (TempDir, FileStorage) {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(dir.path().join("sessions")).unwrap();
    (dir, storage)
}

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn set(items: &str) -> Changes {
    Changes::between(None, &Snapshot::parse(items).unwrap().unwrap())
}

fn file(storage: &FileStorage, id: &SessionId) -> PathBuf {
    storage.directory.path().join(format!("{}.session", id.as_str()))
}

async fn create(storage: &FileStorage, id: &SessionId, ttl: Duration) {
    let written = storage.set_session(id, &set(r#"{"a":1}"#), SetOptions::create(ttl)).await;
    assert_eq!(written.unwrap(), Written::Saved);
}

async fn json(storage: &FileStorage, id: &SessionId) -> Option<String> {
    let session = storage.get_session(id).await.unwrap();
    session.map(|session| session.to_json().into_owned())
}

fn names(dir: &Path) -> Vec<String> {
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
async fn a_session_is_two_readable_lines_and_nothing_else_is_left() {
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
async fn what_is_edited_by_hand_shows_at_once_and_is_kept_by_the_next_write() {
    let (_dir, storage) = storage();
    let id = id("user-17");
    let edited = format!("{LATER} user-17\n{{\n  \"name\": \"bob\",\n  \"age\": 2.50\n}}\n\n");
    fs::write(file(&storage, &id), edited).unwrap();
    assert_eq!(json(&storage, &id).await.unwrap(), r#"{"age":2.50,"name":"bob"}"#);

    let seen = storage.get_session(&id).await.unwrap();
    assert!(storage.update_ttl(&id, HOUR).await.unwrap());
    assert_eq!(storage.get_session(&id).await.unwrap(), seen);
    storage.set_session(&id, &set(r#"{"b":1}"#), UPDATE).await.unwrap();
    assert_eq!(json(&storage, &id).await.unwrap(), r#"{"age":2.50,"b":1,"name":"bob"}"#);
    assert!(!storage.remove_all(&id, seen.as_ref()).await.unwrap());
}

#[tokio::test]
async fn a_restart_keeps_sessions() {
    let (_dir, storage) = storage();
    create(&storage, &id("user-17"), HOUR).await;
    let again = FileStorage::open(storage.directory.path()).unwrap();
    assert_eq!(json(&again, &id("user-17")).await.unwrap(), r#"{"a":1}"#);
}

/// Demands that no method finds a session, and that none writes.
async fn is_left_alone(storage: &FileStorage, id: &SessionId) {
    assert_eq!(storage.get_session(id).await.unwrap(), None);
    assert_eq!(storage.expires_in(id).await.unwrap(), None);
    assert_eq!(storage.get_size(id).await.unwrap(), 0);
    assert!(!storage.update_ttl(id, HOUR).await.unwrap());
    assert!(!storage.remove_all(id, None).await.unwrap());
    for options in [SetOptions::create(HOUR), UPDATE] {
        let written = storage.set_session(id, &set(r#"{"b":2}"#), options).await;
        assert_eq!(written.unwrap(), Written::Refused);
    }
    let other = SessionId::random();
    assert!(!storage.rename(id, &other).await.unwrap());
    create(storage, &other, HOUR).await;
    assert!(!storage.rename(&other, id).await.unwrap());
    storage.remove_all(&other, None).await.unwrap();
    storage.sweep().await.unwrap();
}

#[tokio::test]
async fn g10_what_is_no_session_is_left_as_it_is() {
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
        is_left_alone(&storage, &id).await;
        assert_eq!(fs::read(file(&storage, &id)).unwrap(), content);
    }
}

#[tokio::test]
async fn g10_what_is_no_file_is_left_as_it_is() {
    let (_dir, storage) = storage();
    let (dir, pipe) = (id("directory"), id("pipe"));
    fs::create_dir(file(&storage, &dir)).unwrap();
    assert!(Command::new("mkfifo").arg(file(&storage, &pipe)).status().unwrap().success());
    is_left_alone(&storage, &dir).await;
    is_left_alone(&storage, &pipe).await;
    assert_eq!(names(storage.directory.path()), ["directory.session", "pipe.session"]);
}

#[tokio::test]
async fn ids_that_a_file_system_takes_for_one_are_not_mixed_up() {
    let (_dir, storage) = storage();
    create(&storage, &id("user-A"), HOUR).await;
    // What such a file system answers when asked for the other.
    fs::copy(file(&storage, &id("user-A")), file(&storage, &id("user-a"))).unwrap();
    is_left_alone(&storage, &id("user-a")).await;
    assert!(json(&storage, &id("user-A")).await.is_some());
}

#[tokio::test]
async fn a_session_without_items_or_out_of_time_is_replaced_by_the_next() {
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
async fn the_sweep_removes_what_nobody_needs_and_nothing_else() {
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
async fn the_sweep_leaves_a_session_alone_that_somebody_is_at_work_on() {
    let (_dir, storage) = storage();
    let id = id("user-17");
    fs::write(file(&storage, &id), "1000 user-17\n{\"a\":1}\n").unwrap();
    let held = Locks::new().try_lock(storage.directory.path(), &id).unwrap().unwrap();
    storage.sweep().await.unwrap();
    assert!(file(&storage, &id).exists());
    drop(held);
    storage.sweep().await.unwrap();
    assert!(!file(&storage, &id).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sweep_never_removes_a_session_that_is_being_renewed() {
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
async fn a_write_given_up_while_it_waits_for_another_process_is_never_made() {
    let (_dir, storage) = storage();
    let id = id("user-17");
    create(&storage, &id, HOUR).await;
    let held = Locks::new().try_lock(storage.directory.path(), &id).unwrap().unwrap();
    let (late, patience) = (set(r#"{"late":1}"#), Duration::from_millis(50));
    let write = storage.set_session(&id, &late, UPDATE);
    assert!(tokio::time::timeout(patience, write).await.is_err());
    let removal = storage.remove_all(&id, None);
    assert!(tokio::time::timeout(patience, removal).await.is_err());
    // Readers need no lock.
    assert_eq!(json(&storage, &id).await.unwrap(), r#"{"a":1}"#);
    drop(held);
    // Queues behind whatever is left of them.
    storage.set_session(&id, &set(r#"{"b":2}"#), UPDATE).await.unwrap();
    assert_eq!(json(&storage, &id).await.unwrap(), r#"{"a":1,"b":2}"#);
    assert_eq!(names(storage.directory.path()), ["user-17.session"]);
}

#[test]
fn g8_a_stopped_process_does_not_keep_this_one_from_ending() {
    let (_dir, storage) = storage();
    let _held = Locks::new().try_lock(storage.directory.path(), &id("user-17")).unwrap().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let id = id("user-17");
        let removal = storage.remove_all(&id, None);
        assert!(tokio::time::timeout(Duration::from_millis(50), removal).await.is_err());
    });
    // Waits for its blocking threads: this test ends, or it does not.
    drop(runtime);
}

#[tokio::test]
async fn g12_a_directory_that_has_gone_is_a_failure_that_names_neither_path_nor_id() {
    let (dir, storage) = storage();
    let id = id("user-17-with-a-long-name");
    create(&storage, &id, HOUR).await;
    fs::remove_dir_all(dir.path()).unwrap();
    let items = set(r#"{"a":1}"#);
    for error in [
        storage.set_session(&id, &items, SetOptions::create(HOUR)).await.unwrap_err(),
        storage.get_session(&id).await.unwrap_err(),
        storage.expires_in(&id).await.unwrap_err(),
        storage.update_ttl(&id, HOUR).await.unwrap_err(),
        storage.remove_all(&id, None).await.unwrap_err(),
        storage.rename(&id, &SessionId::random()).await.unwrap_err(),
        storage.sweep().await.unwrap_err(),
    ] {
        assert!(error.is_unavailable());
        let shown = format!("{error:?}");
        assert!(shown.contains("No such file"), "{shown}");
        assert!(!shown.contains('/') && !shown.contains("user-17"), "{shown}");
    }
}

#[test]
fn a_directory_that_cannot_be_used_is_refused_when_opened() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [file.clone(), file.join("below"), PathBuf::from("/proc/sessions"), PathBuf::new()]
    {
        let error = FileStorage::open(&path).unwrap_err();
        assert!(matches!(error, Error::Config(_)), "{error:?}");
        assert!(error.to_string().contains("cannot be used: "), "{error}");
    }
    let message = FileStorage::open(&file).unwrap_err().to_string();
    assert_eq!(
        message,
        format!("session directory {} cannot be used: not a directory", file.display())
    );
}

#[tokio::test]
async fn debug_shows_the_directory_only() {
    let (_dir, storage) = storage();
    let shown = format!("{storage:?}");
    assert_eq!(shown, format!("FileStorage({:?})", storage.directory.path()));
}
