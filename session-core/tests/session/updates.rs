//! Items that are changed depending on what they are.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use session_core::{Error, Outcome, SessionId};
use tokio::task::yield_now;

use super::{close, create, is_whole, managers, stored};

fn increment(count: Option<u32>) -> u32 {
    count.unwrap_or(0) + 1
}

#[tokio::test]
async fn an_update_replaces_an_item_by_what_the_closure_makes_of_it() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        assert_eq!(session.update("n", increment).await.unwrap(), 2);
        assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"n":2}"#, "at once, not at close");
        assert_eq!(session.update("new", increment).await.unwrap(), 1);
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(2));
        assert_eq!(close(&session).await, Outcome::Kept { id, roll: false });
    }
}

#[tokio::test]
async fn an_update_begins_a_session() {
    for (manager, _) in managers() {
        for claim in [None, Some(SessionId::random())] {
            let session = manager.open(claim.clone());
            assert_eq!(session.update("n", increment).await.unwrap(), 1);
            let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
            assert_ne!(Some(&id), claim.as_ref(), "G3");
            assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"n":1}"#);
        }
    }
}

#[tokio::test]
async fn the_default_stands_for_an_item_that_is_missing_or_null() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        let double = |number: u32| number * 2;
        assert_eq!(session.update_or("a", 4, double).await.unwrap(), 8);
        assert_eq!(session.update_or("a", 4, double).await.unwrap(), 16);
        session.set("b", None::<u32>).await.unwrap();
        assert_eq!(session.update_or("b", 4, double).await.unwrap(), 8);
    }
}

#[tokio::test]
async fn take_removes_an_item_and_returns_it() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        assert_eq!(session.take::<u32>("n").await.unwrap(), Some(1));
        assert_eq!(session.take::<u32>("n").await.unwrap(), None);
        assert_eq!(session.get::<u32>("n").await.unwrap(), None);
        assert_eq!(close(&session).await, Outcome::Kept { id: id.clone(), roll: false });
        assert_eq!(stored(&manager, &id).await.as_deref(), Some("{}"), "it is no logout");

        let session = manager.open(None);
        assert_eq!(session.take::<u32>("n").await.unwrap(), None);
        assert_eq!(close(&session).await, Outcome::Untouched);
    }
}

#[tokio::test]
async fn g13_concurrent_updates_lose_nothing_and_take_gives_an_item_once() {
    const TASKS: u32 = 50;
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let each = |number: u32| {
            let session = manager.open(Some(id.clone()));
            async move {
                for _ in 0..number % 3 {
                    yield_now().await;
                }
                session.update("n", increment).await.unwrap();
                session.set(&format!("own-{number}"), number).await.unwrap();
                let taken = session.take::<u32>("flash").await.unwrap();
                assert!(session.close().await.failure.is_none());
                taken
            }
        };
        let flash = manager.open(Some(id.clone()));
        flash.set("flash", 7).await.unwrap();
        close(&flash).await;
        let tasks: Vec<_> = (0..TASKS).map(|number| tokio::spawn(each(number))).collect();
        let mut taken = Vec::new();
        for task in tasks {
            taken.extend(task.await.unwrap());
        }
        assert_eq!(taken, [7], "once");
        let session = manager.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1 + TASKS));
        assert_eq!(session.size().await.unwrap(), 1 + TASKS as usize, "G1");
    }
}

#[tokio::test]
async fn pending_changes_are_part_of_what_an_update_sees() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.set("n", 10).await.unwrap();
        session.set("m", 5).await.unwrap();
        assert_eq!(session.update("n", increment).await.unwrap(), 11);
        session.remove("m").await.unwrap();
        assert_eq!(session.take::<u32>("m").await.unwrap(), None);
        close(&session).await;
        assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"n":11}"#);
    }
}

#[tokio::test]
async fn g13_a_closure_that_panics_changes_nothing() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        let update = session.update("n", |_: Option<u32>| -> u32 { panic!("raised by this test") });
        assert!(AssertUnwindSafe(update).catch_unwind().await.is_err());
        assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"n":1}"#);
        assert_eq!(session.update("n", increment).await.unwrap(), 2, "the session still works");
    }
}

#[tokio::test]
async fn g2_an_update_of_a_session_that_has_ended_fails() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.get::<u32>("n").await.unwrap();
        manager.storage().remove_all(&id, None).await.unwrap();
        let ended = session.update("n", increment).await.unwrap_err();
        assert!(matches!(ended, Error::Vanished), "{ended:?}");
        assert_eq!(close_failed(&session).await, Outcome::Untouched);
        assert_eq!(stored(&manager, &id).await, None);
    }
}

async fn close_failed(session: &session_core::Session) -> Outcome {
    let closed = session.close().await;
    assert!(closed.failure.is_some());
    closed.outcome
}

#[tokio::test]
async fn g4_an_update_with_the_id_before_a_login_is_refused() {
    for (manager, _) in managers() {
        let old = create(&manager).await;
        let login = manager.open(Some(old.clone()));
        login.regenerate_id().await.unwrap();
        close(&login).await;
        for is_take in [false, true] {
            let session = manager.open(Some(old.clone()));
            let result = if is_take {
                session.take::<u32>("n").await.map(drop)
            } else {
                session.update("n", increment).await.map(drop)
            };
            // A take that finds nothing changes nothing.
            assert_eq!(result.is_ok(), is_take);
            assert_eq!(session.close().await.outcome, Outcome::Untouched);
        }
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_or_encoded_is_left_as_it_is() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        let decode = session.update("n", |text: Option<Vec<u8>>| text.unwrap_or_default()).await;
        assert!(matches!(decode, Err(Error::Decode { .. })), "{decode:?}");
        assert!(matches!(session.take::<Vec<u8>>("n").await, Err(Error::Decode { .. })));
        let encode = session.update("n", |_: Option<f64>| f64::NAN).await;
        assert!(matches!(encode, Err(Error::Encode(_))), "{encode:?}");
        assert!(matches!(session.take::<u8>("$meta").await, Err(Error::ReservedKey)));
        close(&session).await;
        assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"n":1}"#);
    }
}

#[tokio::test]
async fn an_update_costs_one_call_where_the_item_is_known_and_two_where_it_is_not() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        probe.asked();
        session.update("n", increment).await.unwrap();
        let calls = probe.asked();
        assert_eq!(calls.len(), 2, "{calls:?}");
        if is_whole(&manager) {
            let session = manager.open(Some(id));
            session.get::<u32>("n").await.unwrap();
            probe.asked();
            session.update("n", increment).await.unwrap();
            let calls = probe.asked();
            assert_eq!(calls.len(), 1, "{calls:?}");
        }
    }
}
