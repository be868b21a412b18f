use std::collections::BTreeMap;

use super::{super::clock::Clock, *};

fn directory() -> (tempfile::TempDir, Directory) {
    let dir = tempfile::tempdir().unwrap();
    let directory = Directory::open(dir.path(), Clock::of_the_machine()).unwrap();
    (dir, directory)
}

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

#[test]
fn a_session_has_the_same_lock_in_every_build() {
    // FNV-1a of "a" is af63dc4c8601ec8c.
    assert_eq!(lock_number(&id("a")), 0x8c % 64);
    assert_eq!(lock_number(&id("A")), lock_number(&id("a")));
    // FNV-1a of "foobar" is 85944171f73967e8.
    assert_eq!(lock_number(&id("foobar")), 0xe8 % 64);
}

#[test]
fn random_ids_use_all_locks() {
    let numbers = (0..2_000).map(|_| lock_number(&SessionId::random()));
    assert_eq!(numbers.collect::<std::collections::BTreeSet<_>>().len(), LOCK_COUNT);
}

#[tokio::test]
async fn a_lock_that_two_sessions_share_is_taken_once() {
    let (_dir, directory) = directory();
    let locks = Locks::new();
    let guard = locks.lock_in_process(&[&id("a"), &id("A")]).await;
    let guard = locks.lock_files(guard, &directory, &CancellationToken::never()).unwrap();
    assert!(locks.try_lock(&directory, &id("a")).unwrap().is_none());
    drop(guard);
    assert!(locks.try_lock(&directory, &id("a")).unwrap().is_some());
}

#[tokio::test]
async fn cancelling_ends_the_wait_for_another_process() {
    let (_dir, directory) = directory();
    // A second `Locks` on the same files acts as another process.
    let _other = Locks::new().try_lock(&directory, &id("a")).unwrap().unwrap();
    let locks = Locks::new();
    let guard = locks.lock_in_process(&[&id("a")]).await;
    let (token, cancel) = CancellationToken::new();
    let wait = move || locks.lock_files(guard, &directory, &token).map(drop);
    let thread = thread::spawn(wait);
    thread::sleep(Duration::from_millis(20));
    assert!(!thread.is_finished());
    drop(cancel);
    assert!(thread.join().unwrap().is_err());
}

#[tokio::test]
async fn g16_writers_that_wait_for_another_process_keep_no_other_from_writing() {
    let (_dir, directory) = directory();
    let (directory, locks) = (Arc::new(directory), Arc::new(Locks::new()));
    // Ids of different locks, of which another process holds all but the last.
    let mut ids = BTreeMap::new();
    for number in 0..400 {
        let id = id(&format!("a{number}"));
        ids.insert(lock_number(&id), id);
    }
    let (_, free) = ids.pop_last().unwrap();
    let stopped = Locks::new();
    let held = ids.values().map(|id| stopped.try_lock(&directory, id).unwrap().unwrap());
    let held: Vec<_> = held.collect();
    let (mut cancels, mut waiting) = (Vec::new(), Vec::new());
    for id in ids.into_values() {
        let (locks, directory) = (locks.clone(), directory.clone());
        let (token, cancel) = CancellationToken::new();
        cancels.push(cancel);
        waiting.push(tokio::spawn(async move {
            let guard = locks.lock_in_process(&[&id]).await;
            let lock = move || locks.lock_files(guard, &directory, &token).map(drop);
            tokio::task::spawn_blocking(lock).await
        }));
    }
    // They wait by now, as many at once as can.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let lock = async {
        let guard = locks.lock_in_process(&[&free]).await;
        locks.lock_files(guard, &directory, &CancellationToken::never()).map(drop)
    };
    tokio::time::timeout(Duration::from_secs(20), lock).await.expect("in time").unwrap();
    drop(held);
    for waited in waiting {
        waited.await.unwrap().unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_lock_counts_only_while_its_file_is_there() {
    let (_dir, directory) = directory();
    let (held, other) = (Locks::new(), Locks::new());
    let guard = held.try_lock(&directory, &id("a")).unwrap().unwrap();
    assert!(guard.is_current(&directory));
    assert!(other.try_lock(&directory, &id("a")).unwrap().is_none());
    fs::remove_dir_all(directory.path()).unwrap();
    assert!(!guard.is_current(&directory));
    let guard = other.try_lock(&directory, &id("a")).unwrap().unwrap();
    assert!(guard.is_current(&directory));
}

#[test]
fn g1_a_lock_file_that_was_removed_before_it_was_locked_does_not_count() {
    let (_dir, directory) = directory();
    let file = open_lock_file(&directory, 17).unwrap();
    fs::remove_dir_all(directory.path()).unwrap();
    let other = try_lock_file(&directory, 17).unwrap();
    assert!(other.is_some());
    assert!(lock_if_current(&directory, 17, file).unwrap().is_none());
}

#[test]
fn g1_a_writer_that_waits_while_the_directory_is_cleared_locks_the_new_file() {
    let (_dir, directory) = directory();
    let directory = Arc::new(directory);
    for _ in 0..20 {
        let old = Locks::new().try_lock(&directory, &id("a")).unwrap().unwrap();
        let waiting = directory.clone();
        let waits = move || {
            let token = CancellationToken::never();
            lock_file(&waiting, lock_number(&id("a")), &token, || {}).unwrap()
        };
        let thread = thread::spawn(waits);
        thread::sleep(Duration::from_millis(1));
        // In one step, so that a file which the writer has just created stays.
        let cleared = tempfile::tempdir().unwrap();
        fs::rename(directory.path(), cleared.path()).unwrap();
        // The writer that waited need not wait for the one that holds the removed file.
        let file = thread.join().unwrap();
        assert!(is_at(&path(&directory, lock_number(&id("a"))), &file));
        drop(old);
        assert!(Locks::new().try_lock(&directory, &id("a")).unwrap().is_none());
    }
}
