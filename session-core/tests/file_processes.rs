//! Several processes on one directory. The test binary starts itself again as the other processes.

use std::{
    env, fs,
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant, SystemTime},
};

use session_core::{
    Changes, FileStorage, RenameOptions, SessionId, SetOptions, Snapshot, Storage, TtlRange,
    Written,
};

const HOUR: Duration = Duration::from_secs(3600);
const UPDATE: SetOptions<'_> = SetOptions::update(HOUR);

/// The environment variable that passes a child process its directory.
const DIRECTORY: &str = "SESSION_TEST_DIRECTORY";
/// The environment variable that passes a child process its number.
const NUMBER: &str = "SESSION_TEST_NUMBER";

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn set(items: &str) -> Changes {
    Changes::between(None, &Snapshot::parse(items).unwrap().unwrap())
}

/// Runs the ignored test of this name in a child process.
fn start(test: &str, dir: &Path, number: usize) -> Child {
    Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--quiet"])
        .env(DIRECTORY, dir)
        .env(NUMBER, number.to_string())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Returns the storage and the number of a child process, or `None` in the parent.
fn child() -> Option<(FileStorage, usize)> {
    let dir = env::var_os(DIRECTORY)?;
    let number = env::var(NUMBER).unwrap().parse().unwrap();
    Some((FileStorage::open(dir).unwrap(), number))
}

async fn create(storage: &FileStorage, id: &SessionId, items: &str) {
    let written = storage.set_session(id, &set(items), SetOptions::create(HOUR)).await.unwrap();
    assert_eq!(written, Written::Saved);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test in a child process"]
async fn write_25_keys_concurrently() {
    let Some((storage, number)) = child() else { return };
    write_25_keys(&storage, number).await;
}

async fn write_25_keys(storage: &FileStorage, number: usize) {
    let writers: Vec<_> = (0..25)
        .map(|key| {
            let storage = storage.clone();
            tokio::spawn(async move {
                let changes = set(&format!(r#"{{"{number}-{key}":1}}"#));
                storage.set_session(&id("shared"), &changes, UPDATE).await.unwrap()
            })
        })
        .collect();
    for writer in writers {
        assert_eq!(writer.await.unwrap(), Written::Saved);
    }
}

#[tokio::test]
async fn g1_processes_that_write_different_keys_of_one_session_lose_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(dir.path()).unwrap();
    create(&storage, &id("shared"), r#"{"start":0}"#).await;
    let processes: Vec<_> =
        (0..4).map(|number| start("write_25_keys_concurrently", dir.path(), number)).collect();
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(storage.get_size(&id("shared")).await.unwrap(), 101);
}

#[tokio::test]
#[ignore = "run by another test in a child process"]
async fn update_until_refused() {
    let Some((storage, number)) = child() else { return };
    for round in 0_u64.. {
        let changes = set(&format!(r#"{{"{number}":{round}}}"#));
        let written = storage.set_session(&id("shared"), &changes, UPDATE).await.unwrap();
        let extended =
            storage.update_ttl(&id("shared"), TtlRange::at_least(2 * HOUR)).await.unwrap();
        if written == Written::Refused {
            assert!(!extended);
            break;
        }
    }
}

#[tokio::test]
async fn g2_a_removal_is_final_for_other_processes_too() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(dir.path()).unwrap();
    create(&storage, &id("shared"), r#"{"start":0}"#).await;
    let processes: Vec<_> =
        (0..3).map(|number| start("update_until_refused", dir.path(), number)).collect();
    // Waits until all processes have written.
    let started = Instant::now();
    while storage.get_size(&id("shared")).await.unwrap() < 4 {
        assert!(started.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(storage.remove_all(&id("shared"), None).await.unwrap());
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(storage.get_session(&id("shared")).await.unwrap(), None);
}

/// Returns changes that set two equal items, too large for a single write to the disk.
fn pair(number: u64) -> Changes {
    let item = format!(r#""{}{number}""#, "x".repeat(50_000));
    set(&format!(r#"{{"one":{item},"other":{item}}}"#))
}

/// Returns the two ids between which a session is renamed back and forth.
fn two_ids(number: u64) -> (SessionId, SessionId) {
    (id(&format!("session-{number}")), id(&format!("renamed-{number}")))
}

#[tokio::test]
#[ignore = "run by another test in a child process"]
async fn write_until_killed() {
    let Some((storage, _)) = child() else { return };
    for number in 0_u64.. {
        let (id, other) = two_ids(number % 3);
        let written = storage.set_session(&id, &pair(number), UPDATE).await.unwrap();
        assert_eq!(written, Written::Saved);
        assert!(storage.rename(&id, &other, RenameOptions::default()).await.unwrap());
        assert!(storage.rename(&other, &id, RenameOptions::default()).await.unwrap());
    }
}

#[tokio::test]
async fn g6_a_process_killed_at_any_moment_leaves_every_file_whole_and_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(dir.path()).unwrap();
    for number in 0..3 {
        let (id, _) = two_ids(number);
        storage.set_session(&id, &pair(0), SetOptions::create(HOUR)).await.unwrap();
    }
    for round in 0..20 {
        let before = last_modified(dir.path());
        let mut process = start("write_until_killed", dir.path(), 0);
        let started = Instant::now();
        while last_modified(dir.path()) == before {
            assert!(started.elapsed() < Duration::from_secs(20));
            for number in 0..3 {
                assert_whole(&storage, &two_ids(number).0).await;
            }
        }
        thread::sleep(Duration::from_micros(731 * round % 7_000));
        process.kill().unwrap();
        process.wait().unwrap();

        for number in 0..3 {
            let (id, other) = two_ids(number);
            let (old, new) =
                (assert_whole(&storage, &id).await, assert_whole(&storage, &other).await);
            assert!(old || new, "a session is under neither id");
            if old {
                storage.remove_all(&other, None).await.unwrap();
            } else {
                assert!(storage.rename(&other, &id, RenameOptions::default()).await.unwrap());
            }
            assert!(storage.update_ttl(&id, TtlRange::at_least(HOUR)).await.unwrap());
        }
        let sessions = names(dir.path()).filter(|name| name.ends_with(".session"));
        assert_eq!(sessions.count(), 3, "an unreadable file remains");
    }
}

/// Asserts that the session at an id, if any, is whole. Returns whether there is one.
async fn assert_whole(storage: &FileStorage, id: &SessionId) -> bool {
    let session = storage.get_session(id).await.unwrap();
    if let Some(session) = &session {
        assert!(session.item("one").is_some() && session.item("one") == session.item("other"));
    }
    session.is_some()
}

fn names(dir: &Path) -> impl Iterator<Item = String> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap())
}

/// Returns the time of the latest write to a session's file.
fn last_modified(dir: &Path) -> Option<SystemTime> {
    let sessions = names(dir).filter(|name| name.ends_with(".session"));
    sessions.filter_map(|name| fs::metadata(dir.join(name)).ok()?.modified().ok()).max()
}

#[tokio::test]
#[ignore = "run by another test in a child process"]
async fn fail_to_write() {
    let Some((storage, _)) = child() else { return };
    let error = storage.set_session(&id("shared"), &pair(1), UPDATE).await.unwrap_err();
    assert!(error.is_unavailable());
    let error = storage.set_session(&id("new"), &pair(1), SetOptions::create(HOUR)).await;
    assert!(!format!("{:?}", error.unwrap_err()).contains('/'));
    assert!(storage.remove_all(&id("gone"), None).await.unwrap());
}

#[tokio::test]
#[cfg(unix)]
async fn g7_a_write_that_the_disk_refuses_leaves_the_old_session_and_no_other_file() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(dir.path()).unwrap();
    create(&storage, &id("shared"), r#"{"a":1}"#).await;
    create(&storage, &id("gone"), r#"{"a":1}"#).await;
    // The limit of 4 KiB per file simulates a full disk: both end a write half way.
    let limited = ["sh", "-c", r#"trap '' XFSZ; ulimit -f 8; exec "$@""#, "sh"];
    run_through(&limited, "fail_to_write", dir.path());
    assert_eq!(storage.get_session(&id("shared")).await.unwrap().unwrap().stored(), r#"{"a":1}"#);
    let files = names(dir.path()).filter(|name| !name.starts_with(".lock-"));
    assert_eq!(files.collect::<Vec<_>>(), ["shared.session"]);
}

/// Runs the ignored test of this name in a child process, through a command that executes its
/// arguments, and expects that it succeeds.
#[cfg(unix)]
fn run_through(wrapper: &[&str], test: &str, dir: &Path) {
    let status = Command::new(wrapper[0])
        .args(&wrapper[1..])
        .arg(env::current_exe().unwrap())
        .args([test, "--exact", "--ignored", "--quiet"])
        .env(DIRECTORY, dir)
        .env(NUMBER, "0")
        .stdout(Stdio::null())
        .status();
    assert!(status.unwrap().success());
}

#[tokio::test]
#[ignore = "run by another test in a child process"]
async fn use_up_the_open_files() {
    let Some((storage, _)) = child() else { return };
    let mut files = Vec::new();
    while let Ok(file) = fs::File::open("/dev/null") {
        files.push(file);
    }
    for error in [
        storage.get_session(&id("shared")).await.unwrap_err(),
        storage.set_session(&id("shared"), &set(r#"{"b":1}"#), UPDATE).await.unwrap_err(),
        storage.sweep().await.unwrap_err(),
    ] {
        assert!(format!("{error:?}").contains("Too many open files"), "{error:?}");
    }
    files.clear();
    let written = storage.set_session(&id("shared"), &set(r#"{"b":1}"#), UPDATE).await;
    assert_eq!(written.unwrap(), Written::Saved);
}

#[tokio::test]
#[cfg(unix)]
async fn g7_a_full_table_of_open_files_is_an_error_that_passes() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(dir.path()).unwrap();
    create(&storage, &id("shared"), r#"{"a":1}"#).await;
    run_through(
        &["sh", "-c", r#"ulimit -n 32; exec "$@""#, "sh"],
        "use_up_the_open_files",
        dir.path(),
    );
    let session = storage.get_session(&id("shared")).await.unwrap().unwrap();
    assert_eq!(session.stored(), r#"{"a":1,"b":1}"#);
}

/// Removes the privileges with which root ignores file permissions.
#[cfg(unix)]
const WITHOUT_PRIVILEGES: [&str; 2] =
    ["setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner"];

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    fs::set_permissions(path, mode).unwrap();
}

#[tokio::test]
#[ignore = "run by another test in a child process"]
async fn open_without_permission() {
    let Some(dir) = env::var_os(DIRECTORY).map(std::path::PathBuf::from) else { return };
    for (name, reason) in [
        ("closed/sessions", "it cannot be created: Permission denied"),
        ("read-only", "files in it cannot be created: Permission denied"),
        ("lock", "lock file .lock-17: Permission denied"),
    ] {
        let path = dir.join(name);
        let message = FileStorage::open(&path).unwrap_err().to_string();
        let start = format!("session directory {} cannot be used: {reason}", path.display());
        assert!(message.starts_with(&start), "{message}");
    }
}

#[test]
#[cfg(unix)]
fn g8_missing_permissions_are_noticed_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["closed", "read-only", "lock"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    // As if another user had created it.
    fs::write(dir.path().join("lock/.lock-17"), "").unwrap();
    set_mode(&dir.path().join("lock/.lock-17"), 0o000);
    set_mode(&dir.path().join("closed"), 0o500);
    set_mode(&dir.path().join("read-only"), 0o500);
    run_through(&WITHOUT_PRIVILEGES, "open_without_permission", dir.path());
}

#[tokio::test]
#[ignore = "run by another test in a child process"]
async fn read_what_is_forbidden() {
    let Some((storage, _)) = child() else { return };
    assert_eq!(storage.get_session(&id("forbidden")).await.unwrap(), None);
    let written = storage.set_session(&id("forbidden"), &pair(1), UPDATE).await.unwrap();
    assert_eq!(written, Written::Refused);
    storage.sweep().await.unwrap();
    assert!(storage.get_session(&id("shared")).await.unwrap().is_some());
}

#[tokio::test]
#[cfg(unix)]
async fn g10_a_file_without_permission_to_read_it_counts_as_no_session_and_harms_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let storage = FileStorage::open(dir.path()).unwrap();
    create(&storage, &id("shared"), r#"{"a":1}"#).await;
    create(&storage, &id("forbidden"), r#"{"a":1}"#).await;
    set_mode(&dir.path().join("forbidden.session"), 0o000);
    run_through(&WITHOUT_PRIVILEGES, "read_what_is_forbidden", dir.path());
    set_mode(&dir.path().join("forbidden.session"), 0o600);
    let session = storage.get_session(&id("forbidden")).await.unwrap().unwrap();
    assert_eq!(session.stored(), r#"{"a":1}"#);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by another test in a child process"]
async fn write_while_the_directory_is_cleared_and_then_25_keys() {
    let Some((storage, number)) = child() else { return };
    create(&storage, &id(&format!("ready-{number}")), r#"{"a":1}"#).await;
    while storage.get_session(&id("shared")).await.unwrap_or(None).is_none() {
        // The directory may be cleared in the middle.
        let _ =
            storage.set_session(&id("busy"), &set(r#"{"a":1}"#), SetOptions::create(HOUR)).await;
        let _ = storage.set_session(&id("busy"), &set(r#"{"a":1}"#), UPDATE).await;
    }
    write_25_keys(&storage, number).await;
}

#[tokio::test]
async fn g1_processes_whose_directory_is_cleared_exclude_each_other_afterwards() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sessions");
    let storage = FileStorage::open(&path).unwrap();
    let test = "write_while_the_directory_is_cleared_and_then_25_keys";
    let processes: Vec<_> = (0..4).map(|number| start(test, &path, number)).collect();
    let started = Instant::now();
    let wait_for = async |session: &str| {
        while !path.join(format!("{session}.session")).exists() {
            assert!(started.elapsed() < Duration::from_secs(20));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    for number in 0..4 {
        wait_for(&format!("ready-{number}")).await;
    }
    for _ in 0..20 {
        wait_for("busy").await;
        // Fails if a writer creates a file meanwhile.
        while fs::remove_dir_all(&path).is_err() {}
    }
    create(&storage, &id("shared"), r#"{"start":0}"#).await;
    for mut process in processes {
        assert!(process.wait().unwrap().success());
    }
    assert_eq!(storage.get_size(&id("shared")).await.unwrap(), 101);
}
