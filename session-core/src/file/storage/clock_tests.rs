//! Sessions while the clock of the machine is set forward and back.

use std::fs;

use super::{
    super::clock::tests::Hands,
    tests::{HOUR, UPDATE, create, file, id, json, set},
    *,
};

const MINUTE: Duration = Duration::from_secs(60);

fn storage() -> (tempfile::TempDir, Arc<Hands>, FileStorage) {
    let dir = tempfile::tempdir().unwrap();
    let (hands, clock) = Hands::clock();
    let storage = FileStorage::open_by(&dir.path().join("sessions"), clock).unwrap();
    (dir, hands, storage)
}

#[tokio::test]
async fn g9_a_session_expires_to_the_millisecond_of_a_clock_that_runs_steadily() {
    let (_dir, hands, storage) = storage();
    create(&storage, &id("a"), MINUTE).await;
    storage.sweep().await.unwrap();
    hands.pass(MINUTE - Duration::from_millis(1));
    assert!(json(&storage, &id("a")).await.is_some());
    storage.sweep().await.unwrap();
    assert_eq!(storage.expires_in(&id("a")).await.unwrap(), Some(Duration::from_millis(1)));
    hands.pass(Duration::from_millis(1));
    assert_eq!(json(&storage, &id("a")).await, None);
    storage.sweep().await.unwrap();
    assert!(!file(&storage, &id("a")).exists());
}

#[tokio::test]
async fn g9_a_session_survives_a_clock_that_is_wrong_for_a_while() {
    let (_dir, hands, storage) = storage();
    create(&storage, &id("a"), 30 * MINUTE).await;
    create(&storage, &id("expired"), MINUTE).await;
    hands.pass(MINUTE);
    hands.set_forward(HOUR);
    for _ in 0..10 {
        storage.sweep().await.unwrap();
        assert_eq!(json(&storage, &id("a")).await, None, "the clock says so");
        let late = storage.set_session(&id("a"), &set(r#"{"b":1}"#), UPDATE).await.unwrap();
        assert_eq!(late, Written::Refused);
        hands.pass(MINUTE);
    }
    hands.set_back(HOUR);
    storage.sweep().await.unwrap();
    assert_eq!(storage.expires_in(&id("a")).await.unwrap(), Some(19 * MINUTE));
    hands.pass(19 * MINUTE);
    assert_eq!(json(&storage, &id("a")).await, None);
    storage.sweep().await.unwrap();
    assert!(!file(&storage, &id("a")).exists());
}

#[tokio::test]
async fn sessions_that_expire_on_a_clock_that_was_set_forward_are_removed() {
    let (_dir, hands, storage) = storage();
    create(&storage, &id("before"), 30 * MINUTE).await;
    hands.set_forward(HOUR);
    storage.sweep().await.unwrap();
    create(&storage, &id("after"), MINUTE).await;
    hands.pass(MINUTE);
    storage.sweep().await.unwrap();
    assert!(!file(&storage, &id("after")).exists());
    assert!(file(&storage, &id("before")).exists());
    hands.pass(24 * HOUR);
    storage.sweep().await.unwrap();
    assert!(!file(&storage, &id("before")).exists(), "the clock was right after all");
}

#[tokio::test]
async fn sessions_survive_a_start_with_a_wrong_clock() {
    let (dir, _, storage) = storage();
    create(&storage, &id("a"), 30 * MINUTE).await;
    drop(storage);
    let (hands, clock) = Hands::clock_ahead(HOUR);
    let storage = FileStorage::open_by(&dir.path().join("sessions"), clock).unwrap();
    storage.sweep().await.unwrap();
    assert_eq!(json(&storage, &id("a")).await, None);
    hands.set_back(HOUR);
    storage.sweep().await.unwrap();
    assert!(json(&storage, &id("a")).await.is_some());
}

#[tokio::test]
async fn g5_a_session_written_while_the_clock_was_ahead_gets_its_time_to_live_when_it_is_right() {
    let (_dir, hands, storage) = storage();
    create(&storage, &id("a"), MINUTE).await;
    // Written ten hours ahead of what the clock shows from now on.
    hands.set_back(10 * HOUR);
    storage.sweep().await.unwrap();
    let left = storage.expires_in(&id("a")).await.unwrap().unwrap();
    assert!(left > 10 * HOUR, "{left:?}: the clock may be wrong now, and right before");

    hands.pass(HOUR);
    storage.sweep().await.unwrap();
    let left = storage.expires_in(&id("a")).await.unwrap().unwrap();
    assert!(left <= MINUTE && left > MINUTE - Duration::from_secs(5), "{left:?}");
    assert_eq!(json(&storage, &id("a")).await.unwrap(), r#"{"a":1}"#);
    hands.pass(MINUTE);
    assert_eq!(json(&storage, &id("a")).await, None);
}

#[tokio::test]
async fn a_temporary_file_in_use_survives_a_jump_of_the_clock() {
    let (dir, hands, storage) = storage();
    let temporary = dir.path().join("sessions/.new.tmp");
    fs::write(&temporary, "").unwrap();
    hands.set_forward(HOUR);
    storage.sweep().await.unwrap();
    assert!(temporary.exists());
}
