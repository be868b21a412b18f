//! What a sweep costs.

use std::{
    env, fs,
    time::{Instant, SystemTime},
};

use super::{
    super::sweep::Walked,
    tests::{HOUR, create, file, id, storage},
    *,
};

async fn sweep(storage: &FileStorage) -> Walked {
    storage.sweeper.sweep(&storage.directory, &storage.locks).await.unwrap()
}

fn modified(storage: &FileStorage, id: &SessionId) -> SystemTime {
    fs::metadata(file(storage, id)).unwrap().modified().unwrap()
}

#[tokio::test]
async fn the_sweep_opens_no_living_session() {
    let (_dir, storage) = storage();
    for number in 0..100 {
        create(&storage, &id(&format!("alive-{number}")), HOUR).await;
    }
    create(&storage, &id("short"), Duration::from_millis(1)).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let walked = sweep(&storage).await;
    assert_eq!((walked.opened, walked.removed), (2, 1), "before and after it was locked");
    assert_eq!(walked.files, 101 + 64, "with the lock files");
    assert_eq!(sweep(&storage).await.opened, 0);
}

#[tokio::test]
async fn a_file_shows_when_its_session_expires_and_reading_does_not_touch_it() {
    let (_dir, storage) = storage();
    create(&storage, &id("a"), HOUR).await;
    let shown = modified(&storage, &id("a"));
    let left = shown.duration_since(SystemTime::now()).unwrap();
    assert!(left <= HOUR && left > HOUR - Duration::from_secs(10), "{left:?}");
    let accessed = || fs::metadata(file(&storage, &id("a"))).unwrap().accessed().unwrap();
    let before = accessed();
    storage.get_session(&id("a")).await.unwrap().unwrap();
    assert_eq!(accessed(), before);

    storage.update_ttl(&id("a"), TtlRange::at_least(2 * HOUR)).await.unwrap();
    assert!(modified(&storage, &id("a")) > shown + HOUR / 2);
}

#[tokio::test]
async fn files_of_older_versions_and_files_edited_by_hand_are_opened_once() {
    let (_dir, storage) = storage();
    for (name, content) in [
        ("old", "95617584000000 old\n{\"a\":1}\n"),
        ("edited", "95617584000000 edited\n{}\n"),
        ("expired", "1000 expired\n{\"a\":1}\n"),
        ("unreadable", "torn"),
    ] {
        fs::write(file(&storage, &id(name)), content).unwrap();
    }
    let walked = sweep(&storage).await;
    assert_eq!((walked.opened, walked.removed), (5, 1));
    assert_eq!(sweep(&storage).await.opened, 1, "only the unreadable one");
    // Edited by hand, so that it expires sooner than the file showed.
    fs::write(file(&storage, &id("old")), "1000 old\n{\"a\":1}\n").unwrap();
    assert_eq!(sweep(&storage).await.removed, 1);
}

#[test]
fn a_long_walk_among_living_sessions_is_followed_by_a_rest_a_hundred_times_as_long() {
    let walked = |removed, milliseconds| Walked {
        files: 1000,
        opened: removed,
        removed,
        time: Duration::from_millis(milliseconds),
    };
    assert_eq!(walked(0, 99).rest(), None);
    assert_eq!(walked(0, 300).rest(), Some(Duration::from_secs(30)));
    assert_eq!(walked(500, 600).rest(), Some(Duration::from_secs(30)));
    assert_eq!(walked(1000, 60_000).rest(), None);
    assert_eq!(walked(0, 60_000).rest(), Some(HOUR));
}

/// Prints what one sweep of `FILES` living sessions costs: 100,000 unless it is set.
#[tokio::test]
#[ignore = "measures"]
async fn measure_a_sweep_of_many_sessions() {
    let (_dir, storage) = storage();
    let files = env::var("FILES").map_or(100_000, |files| files.parse().unwrap());
    let expires = storage.directory.expiry(HOUR);
    for number in 0..files {
        let id = id(&format!("{number:032}"));
        let record = Record { expires, items: Snapshot::parse(r#"{"a":1}"#).unwrap().unwrap() };
        let path = file(&storage, &id);
        fs::write(&path, record.to_text(&id)).unwrap();
        storage.directory.show_expiry(&fs::File::open(path).unwrap(), expires);
    }
    for name in ["first", "second"] {
        let start = Instant::now();
        let sweeper = super::super::sweep::Sweeper::default();
        let walked = sweeper.sweep(&storage.directory, &storage.locks).await.unwrap();
        println!(
            "{name} sweep: {} files, {} opened, {:.2} s of work within {:.1} s, then a rest of {:?}",
            walked.files,
            walked.opened,
            walked.time.as_secs_f64(),
            start.elapsed().as_secs_f64(),
            walked.rest(),
        );
        assert_eq!(walked.opened, 0);
    }
}
