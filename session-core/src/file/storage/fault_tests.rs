//! Faults in the directory and in its lock files.

use std::{
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::PermissionsExt as _, fs::symlink},
    process::Command,
};

use super::{
    tests::{HOUR, UPDATE, create, id, json, names, set, storage},
    *,
};

/// Puts something in the place of a lock file that cannot be locked. Says what.
fn spoil(lock: &Path, kind: usize) -> &'static str {
    let _ = fs::remove_file(lock);
    match kind {
        0 => fs::create_dir(lock).map(|()| "directory"),
        1 => symlink("/proc/none/lock", lock).map(|()| "No such file"),
        2 => symlink(lock, lock).map(|()| "symbolic link"),
        _ => Command::new("mkfifo").arg(lock).status().map(|_| "not a file"),
    }
    .unwrap()
}

#[test]
fn g8_a_lock_file_that_cannot_be_used_is_noticed_at_the_start() {
    for kind in 0..4 {
        let dir = tempfile::tempdir().unwrap();
        let cause = spoil(&dir.path().join(".lock-17"), kind);
        let message = FileStorage::open(dir.path()).unwrap_err().to_string();
        let named = format!("session directory {} cannot be used: ", dir.path().display());
        assert!(message.starts_with(&named), "{message}");
        for part in ["lock file .lock-17: ", cause, "; remove it, or give it to"] {
            assert!(message.contains(part), "{part} is not in {message}");
        }
    }
}

#[tokio::test]
async fn g16_a_lock_file_that_is_spoilt_meanwhile_harms_its_own_sessions_only() {
    let (_dir, storage) = storage();
    for kind in 0..4 {
        // FNV-1a of "foobar" is 85944171f73967e8, and 0xe8 % 64 is 40.
        let (own, other) = (id("foobar"), id("other"));
        let lock = storage.directory.path().join(".lock-40");
        create(&storage, &own, HOUR).await;
        create(&storage, &other, HOUR).await;
        let cause = spoil(&lock, kind);
        let error = storage.set_session(&own, &set(r#"{"b":1}"#), UPDATE).await.unwrap_err();
        let shown = format!("{error:?}");
        assert!(shown.contains(".lock-40") && shown.contains(cause), "{shown}");
        assert!(!shown.contains('/'), "{shown}");
        assert!(storage.remove_all(&own, None).await.is_err());
        assert!(json(&storage, &own).await.is_some());
        storage.set_session(&other, &set(r#"{"b":1}"#), UPDATE).await.unwrap();
        storage.sweep().await.unwrap();

        fs::remove_file(&lock).or_else(|_| fs::remove_dir(&lock)).unwrap();
        assert!(storage.remove_all(&own, None).await.unwrap());
        assert!(storage.remove_all(&other, None).await.unwrap());
    }
}

#[tokio::test]
async fn a_directory_that_was_removed_is_created_anew_by_whatever_comes_first() {
    for first in 0..4 {
        let (_dir, storage) = storage();
        let dir = storage.directory.path();
        create(&storage, &id("gone"), HOUR).await;
        fs::remove_dir_all(dir).unwrap();
        match first {
            0 => assert_eq!(json(&storage, &id("gone")).await, None),
            1 => create(&storage, &id("new"), HOUR).await,
            2 => assert!(!storage.remove_all(&id("gone"), None).await.unwrap()),
            _ => storage.sweep().await.unwrap(),
        }
        let mode = fs::metadata(dir).unwrap().permissions().mode();
        assert_eq!(mode & 0o7777, 0o700);
        let update = storage.set_session(&id("gone"), &set(r#"{"b":1}"#), UPDATE).await;
        assert_eq!(update.unwrap(), Written::Refused);
        create(&storage, &id("gone"), HOUR).await;
    }
}

#[tokio::test]
async fn g2_a_writer_whose_directory_is_cleared_restores_nothing() {
    let (_dir, storage) = storage();
    create(&storage, &id("a"), HOUR).await;
    let locks = Locks::new();
    let guard = locks.try_lock(&storage.directory, &id("a")).unwrap().unwrap();
    let permit = Permit::new(CancellationToken::never(), guard);
    let Entry::Session(record) = storage.directory.read(&id("a")).unwrap() else { panic!() };
    fs::remove_dir_all(storage.directory.path()).unwrap();
    create(&storage, &id("b"), HOUR).await;
    assert!(storage.directory.write(&id("a"), &record, &permit).is_err());
    assert_eq!(json(&storage, &id("a")).await, None);
    let names = names(storage.directory.path());
    assert_eq!(names, ["b.session"], "no temporary file is left");
}

#[tokio::test]
async fn a_missing_parent_is_an_error_until_it_returns() {
    let (dir, storage) = storage();
    create(&storage, &id("a"), HOUR).await;
    let away = dir.path().with_extension("away");
    fs::rename(dir.path(), &away).unwrap();
    assert!(storage.get_session(&id("a")).await.is_err());
    assert!(storage.set_session(&id("a"), &set(r#"{"b":1}"#), UPDATE).await.is_err());
    fs::rename(&away, dir.path()).unwrap();
    assert!(json(&storage, &id("a")).await.is_some());
}

#[tokio::test]
async fn a_symbolic_link_to_a_directory_is_followed() {
    let dir = tempfile::tempdir().unwrap();
    let (target, link) = (dir.path().join("target"), dir.path().join("link"));
    fs::create_dir(&target).unwrap();
    symlink(&target, &link).unwrap();
    let storage = FileStorage::open(&link).unwrap();
    create(&storage, &id("a"), HOUR).await;
    assert_eq!(names(&target), ["a.session"]);
    // The link stays, so the directory cannot be created in its place.
    fs::remove_dir_all(&target).unwrap();
    assert!(storage.get_session(&id("a")).await.is_err());
    fs::create_dir(&target).unwrap();
    assert_eq!(json(&storage, &id("a")).await, None);
    create(&storage, &id("a"), HOUR).await;
}

#[tokio::test]
async fn the_sweep_leaves_foreign_files_alone_whatever_their_names() {
    let (_dir, storage) = storage();
    let dir = storage.directory.path();
    for name in [&b"\xff\xfe.session"[..], b".\xff.tmp", b"notes", b"..session", b"a b.session"] {
        let path = dir.join(OsStr::from_bytes(name));
        fs::write(&path, "1000 notes\n{}").unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
    }
    storage.sweep().await.unwrap();
    assert_eq!(fs::read_dir(dir).unwrap().count() - 64, 5, "besides the lock files");
}

#[test]
fn opening_an_unusable_directory_names_it_and_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    for (path, reason) in [
        (dir.path().join("file"), "not a directory"),
        (dir.path().join("file/below"), "it cannot be created: Not a directory"),
        (PathBuf::from("/proc/sessions"), "it cannot be created: "),
    ] {
        let message = FileStorage::open(&path).unwrap_err().to_string();
        let start = format!("session directory {} cannot be used: {reason}", path.display());
        assert!(message.starts_with(&start), "{message}");
    }
    let nested = dir.path().join("missing/too/sessions");
    FileStorage::open(&nested).expect("missing parents are created");
}
