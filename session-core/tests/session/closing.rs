//! Storing changes at close, and failures to do so.

use session_core::{Closed, Error, Outcome, Result, SessionId};
use tokio::time::Instant;

use super::{close, create, is_whole, managers, stored};

#[tokio::test]
async fn g7_a_failure_that_the_handler_ignored_is_reported_at_close() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id));
        probe.set_down(true);
        let _ = session.set("m", 2).await;
        let _ = session.get_or("n", 0).await;
        probe.set_down(false);
        let Closed { outcome, failure, .. } = session.close().await;
        assert!(matches!(failure, Some(Error::Storage(_))), "{failure:?}");
        assert_eq!(outcome, Outcome::Untouched);
    }
}

#[tokio::test(start_paused = true)]
async fn g8_all_operations_of_one_request_share_one_timeout() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        probe.hang();
        probe.asked();
        let session = manager.open(Some(id));
        let start = Instant::now();
        for _ in 0..3 {
            assert!(matches!(session.get::<u32>("n").await, Err(Error::Timeout)));
        }
        let _ = session.set("m", 2).await;
        assert!(matches!(session.close().await.failure, Some(Error::Timeout)));
        assert_eq!(start.elapsed(), manager.timeout());
        assert_eq!(probe.asked().len(), 1, "the store is not called again");
    }
}

#[tokio::test(start_paused = true)]
async fn g8_a_request_with_less_time_left_than_the_storage_may_take_still_times_out() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id));
        let timeout = manager.timeout();
        probe.slow_down(timeout * 2 / 5, timeout);
        let start = Instant::now();
        assert!(session.expires_in().await.unwrap().is_some());
        assert!(session.expires_in().await.unwrap().is_some());
        assert!(matches!(session.expires_in().await, Err(Error::Timeout)));
        assert_eq!(start.elapsed(), timeout);
    }
}

#[tokio::test]
async fn after_close_every_operation_fails() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.set("m", 2).await.unwrap();
        let outcome = close(&session).await;
        assert_eq!(close(&session).await, outcome, "a second close returns the same");
        fn is_closed<T>(result: Result<T>) -> bool {
            matches!(result, Err(Error::Closed))
        }
        assert!(is_closed(session.get::<u32>("n").await));
        assert!(is_closed(session.set("n", 1).await));
        assert!(is_closed(session.remove(["n"]).await));
        assert!(is_closed(session.remove_all().await));
        assert!(is_closed(session.regenerate_id().await));
        assert!(is_closed(session.id().await));
        assert!(is_closed(session.data().await));
        assert!(is_closed(session.size().await));
        assert!(is_closed(session.contains("n").await));
        assert!(is_closed(session.save().await));
        assert!(is_closed(session.expires_in().await));
        assert!(is_closed(session.set_id(SessionId::random())));
    }
}

#[tokio::test]
async fn a_dropped_request_stores_nothing_more() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.set("m", 2).await.unwrap();
        drop(session);
        let kept = if is_whole(&manager) { r#"{"n":1}"# } else { r#"{"m":2,"n":1}"# };
        assert_eq!(stored(&manager, &id).await.as_deref(), Some(kept));
    }
}

#[tokio::test]
async fn save_stores_the_changes_before_close() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.set("m", 2).await.unwrap();
        session.save().await.unwrap();
        assert_eq!(stored(&manager, &id).await.as_deref(), Some(r#"{"m":2,"n":1}"#));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        assert_eq!(close(&session).await, Outcome::Kept { id, roll: false });
    }
}

#[tokio::test]
async fn g7_changes_made_during_a_save_are_stored_too() {
    let [(manager, _), _] = managers();
    let id = create(&manager).await;
    let session = manager.open(Some(id.clone()));
    session.set("m", 2).await.unwrap();
    session.set("n", 2).await.unwrap();
    let (saved, set) = tokio::join!(session.save(), session.set("n", 3));
    saved.and(set).unwrap();
    assert_eq!(session.get::<u32>("n").await.unwrap(), Some(3));

    // Saved changes are not written again, so they do not overwrite later ones.
    let other = manager.open(Some(id.clone()));
    other.set("m", 4).await.unwrap();
    close(&other).await;
    let (_, set) = tokio::join!(close(&session), session.set("l", 5));
    set.unwrap();
    assert_eq!(stored(&manager, &id).await.as_deref(), Some(r#"{"l":5,"m":4,"n":3}"#));
}

#[tokio::test(start_paused = true)]
async fn g8_the_proof_of_a_cookie_is_given_what_the_request_has_left() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        let timeout = manager.timeout();
        probe.slow_down(timeout * 4 / 5, timeout * 10);
        let session = manager.open(Some(id.clone()));
        let start = Instant::now();
        session.get::<u32>("n").await.unwrap();
        let closed = session.close().await;
        assert_eq!(closed.time_left, timeout - timeout * 4 / 5);
        assert!(!manager.extend(&id, closed.time_left).await, "it would take too long");
        assert_eq!(start.elapsed(), timeout);
    }
}
