//! When a session counts as used, and reads that fail.

use std::time::Duration;

use session_core::{Closed, Error, Outcome};
use tokio::time::{advance, sleep};

use super::{TTL, close, create, managers, stored};

#[tokio::test(start_paused = true)]
async fn g9_a_request_that_takes_longer_than_the_rest_of_its_session_keeps_it() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        sleep(TTL * 3 / 4).await;
        let session = manager.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        sleep(TTL / 2).await;
        session.set("m", 2).await.unwrap();
        assert!(matches!(close(&session).await, Outcome::Kept { .. }));
        assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"m":2,"n":1}"#);
    }
}

#[tokio::test(start_paused = true)]
async fn g9_a_read_whose_client_goes_away_is_a_use() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        sleep(TTL * 3 / 4).await;
        let session = manager.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        drop(session);
        sleep(TTL / 2).await;
        assert!(stored(&manager, &id).await.is_some());
        sleep(TTL / 2).await;
        assert!(stored(&manager, &id).await.is_none(), "no longer than its time to live");
    }
}

#[tokio::test(start_paused = true)]
async fn g9_a_long_request_is_a_use_at_its_end_too() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.contains("n").await.unwrap();
        sleep(TTL / 2).await;
        close(&session).await;
        sleep(TTL * 3 / 4).await;
        assert!(stored(&manager, &id).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn a_passive_read_does_not_keep_a_session_alive_and_a_write_does() {
    for (manager, _) in managers() {
        let (polled, written) = (create(&manager).await, create(&manager).await);
        for _ in 0..8 {
            sleep(TTL / 6).await;
            let session = manager.open(Some(polled.clone()));
            session.passive();
            session.data().await.unwrap();
            close(&session).await;
            let session = manager.open(Some(written.clone()));
            session.passive();
            session.set("n", 2).await.unwrap();
            close(&session).await;
        }
        assert!(stored(&manager, &polled).await.is_none());
        assert!(stored(&manager, &written).await.is_some());
    }
}

#[tokio::test]
async fn a_failed_read_is_the_handlers_to_handle() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id));
        probe.set_down(true);
        assert!(matches!(session.get::<u32>("n").await, Err(Error::Storage(_))));
        assert!(session.contains("n").await.is_err());
        let Closed { outcome, failure, was_used, .. } = session.close().await;
        assert!(failure.is_none(), "{failure:?}");
        assert_eq!(outcome, Outcome::Untouched);
        assert!(was_used);
        probe.set_down(false);
    }
}

#[tokio::test]
async fn g7_a_write_after_a_failed_read_fails_and_is_reported() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        probe.set_down(true);
        assert!(session.get::<u32>("n").await.is_err());
        probe.set_down(false);
        assert!(matches!(session.set("n", 2).await, Err(Error::Storage(_))));
        assert!(matches!(session.close().await.failure, Some(Error::Storage(_))));
        assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"n":1}"#);
    }
}

#[tokio::test]
async fn a_session_that_no_operation_was_called_on_was_not_used() {
    for (manager, _) in managers() {
        let session = manager.open(Some(create(&manager).await));
        assert!(!session.close().await.was_used);
        let session = manager.open(None);
        assert_eq!(session.size().await.unwrap(), 0);
        assert!(session.close().await.was_used, "the response depends on there being none");
    }
}

#[tokio::test(start_paused = true)]
async fn an_id_function_may_use_its_session() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        let own = session.clone();
        session
            .set_id_fn(move || {
                let _ = own.is_dirty();
                session_core::SessionId::random()
            })
            .unwrap();
        session.set("n", 1).await.unwrap();
        assert!(session.id().await.unwrap().is_some());
        session.regenerate_id().await.unwrap().unwrap();
        assert!(matches!(close(&session).await, Outcome::Issued { .. }));
        advance(Duration::from_secs(1)).await;
    }
}
