//! Reading, writing and removing items.

use std::collections::BTreeMap;

use serde_json::value::RawValue;
use session_core::{Closed, Error, Outcome, SessionId};

use super::{close, create, is_whole, managers, stored};

#[tokio::test]
async fn a_request_that_does_not_use_its_session_makes_no_storage_call() {
    for (manager, probe) in managers() {
        let session = manager.open(Some(SessionId::random()));
        assert_eq!(close(&session).await, Outcome::Untouched);
        assert!(probe.asked().is_empty());
    }
}

#[tokio::test]
async fn a_new_session_is_issued_and_found_again() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        assert_eq!(probe.asked(), ["set_session"]);

        let session = manager.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        assert_eq!(session.get::<u32>("other").await.unwrap(), None);
        assert_eq!(session.id().await.unwrap(), Some(id.clone()));
        assert_eq!(close(&session).await, Outcome::Kept { id, roll: false });
        let calls = if is_whole(&manager) { vec!["get_session"] } else { vec!["get", "get"] };
        assert_eq!(probe.asked(), calls);
    }
}

#[tokio::test]
async fn every_method_reads_and_writes_items() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        assert_eq!(session.get_or("n", 7).await.unwrap(), 7);
        assert_eq!(session.size().await.unwrap(), 0);
        assert!(!session.is_dirty());
        session.set_map(BTreeMap::from([("a", 1), ("b", 2), ("c", 3)])).await.unwrap();
        session.remove(["a", "absent"]).await.unwrap();
        session.set("d", "text").await.unwrap();
        assert!(session.is_dirty());
        assert!(session.contains("b").await.unwrap() && !session.contains("a").await.unwrap());
        assert_eq!(session.size().await.unwrap(), 3);
        let data = session.data().await.unwrap().unwrap();
        assert_eq!(data.to_json(), r#"{"b":2,"c":3,"d":"text"}"#);
        let id = session.id().await.unwrap().expect("the first item gives the session an id");
        assert_eq!(close(&session).await, Outcome::Issued { id });

        assert!(matches!(session.set_map([1, 2]).await, Err(Error::Encode(_))));
        assert!(matches!(
            manager.open(None).set("x", BTreeMap::from([((1, 2), 3)])).await,
            Err(Error::Encode(_))
        ));
    }
}

#[tokio::test]
async fn numbers_keep_their_text() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        for text in ["9007199254740993", "2.50", "1E5", "-0", "18446744073709551616", "1e400"] {
            session.set(text, RawValue::from_string(text.to_owned()).unwrap()).await.unwrap();
            let item: Box<RawValue> = session.get(text).await.unwrap().unwrap();
            assert_eq!(item.get(), text);
        }
        assert!(matches!(session.get::<u8>("2.50").await, Err(Error::Decode { .. })));
        assert!(
            matches!(close(&session).await, Outcome::Issued { .. }),
            "a decoding error does not fail the close"
        );
    }
}

#[tokio::test]
async fn remove_all_ends_the_session() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.remove_all().await.unwrap();
        assert_eq!(session.id().await.unwrap(), None);
        assert_eq!(close(&session).await, Outcome::Ended);
        assert_eq!(stored(&manager, &id).await, None);
    }
}

#[tokio::test]
async fn removing_the_last_item_does_not_end_the_session() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.remove("n").await.unwrap();
        assert_eq!(session.id().await.unwrap(), Some(id.clone()));
        assert_eq!(session.size().await.unwrap(), 0);
        assert!(matches!(close(&session).await, Outcome::Kept { id: kept, .. } if kept == id));
        assert_eq!(stored(&manager, &id).await.unwrap(), "{}");

        let session = manager.open(Some(id.clone()));
        assert_eq!(session.data().await.unwrap().unwrap().to_json(), "{}");
        session.set("m", 2).await.unwrap();
        assert!(matches!(close(&session).await, Outcome::Kept { id: kept, .. } if kept == id));
        assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"m":2}"#);
    }
}

/// One tab shows a flash message, which is the only item, while another one is under way.
#[tokio::test]
async fn a_flash_message_that_is_shown_logs_out_no_other_tab() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let slow = manager.open(Some(id.clone()));
        assert_eq!(slow.get::<u32>("n").await.unwrap(), Some(1));
        let flash = manager.open(Some(id.clone()));
        flash.remove("n").await.unwrap();
        assert!(matches!(close(&flash).await, Outcome::Kept { .. }));
        slow.set("cart", "apple").await.unwrap();
        assert!(matches!(close(&slow).await, Outcome::Kept { id: kept, .. } if kept == id));
        assert_eq!(stored(&manager, &id).await.unwrap(), r#"{"cart":"apple"}"#);
    }
}

#[tokio::test]
async fn the_key_of_the_metadata_is_reserved_and_hidden() {
    for (manager, _) in managers() {
        let session = manager.open(Some(create(&manager).await));
        assert!(matches!(session.set("$meta", 1).await, Err(Error::ReservedKey)));
        let items = BTreeMap::from([("a", 1), ("$meta", 2)]);
        assert!(matches!(session.set_map(items).await, Err(Error::ReservedKey)));
        session.remove(["n", "$meta"]).await.unwrap();
        session.save().await.unwrap();
        assert_eq!(session.get::<serde_json::Value>("$meta").await.unwrap(), None);
        assert!(!session.contains("$meta").await.unwrap());
        assert_eq!(session.size().await.unwrap(), 0);
        assert!(session.data().await.unwrap().unwrap().is_empty());
        close(&session).await;
    }
}

#[tokio::test]
async fn items_set_after_remove_all_start_a_new_session() {
    for (manager, _) in managers() {
        let old = create(&manager).await;
        let session = manager.open(Some(old.clone()));
        session.remove_all().await.unwrap();
        session.set("m", 2).await.unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        assert_ne!(id, old);
        assert_eq!(stored(&manager, &id).await.as_deref(), Some(r#"{"m":2}"#));
        assert_eq!(stored(&manager, &old).await, None);
    }
}

#[tokio::test]
async fn g1_requests_that_change_different_keys_lose_nothing() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let (one, other) = (manager.open(Some(id.clone())), manager.open(Some(id.clone())));
        assert_eq!(one.size().await.unwrap(), other.size().await.unwrap());
        one.set("one", 1).await.unwrap();
        other.set("other", 2).await.unwrap();
        other.remove(["n"]).await.unwrap();
        close(&one).await;
        close(&other).await;
        assert_eq!(stored(&manager, &id).await.as_deref(), Some(r#"{"one":1,"other":2}"#));
    }
}

#[tokio::test]
async fn g2_a_logout_wins_over_a_write_in_flight() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let writer = manager.open(Some(id.clone()));
        assert_eq!(writer.get::<u32>("n").await.unwrap(), Some(1));
        manager.open(Some(id.clone())).remove_all().await.unwrap();
        let written = writer.set("n", 2).await;
        assert!(is_whole(&manager) || matches!(written, Err(Error::Vanished)));
        let Closed { outcome, failure, .. } = writer.close().await;
        assert!(matches!(failure, Some(Error::Vanished)), "{failure:?}");
        assert_eq!(outcome, Outcome::Untouched, "another tab may have a new cookie by now");
        assert_eq!(stored(&manager, &id).await, None);
    }
}

#[tokio::test]
async fn operations_of_one_request_can_run_concurrently() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        let (a, b, c) = tokio::join!(session.set("a", 1), session.set("b", 2), session.set("c", 3));
        a.and(b).and(c).unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        assert_eq!(stored(&manager, &id).await.as_deref(), Some(r#"{"a":1,"b":2,"c":3}"#));
    }
}

#[test]
fn a_session_can_be_used_from_any_thread() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    fn is_send<T: Send>(_: T) {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let [(manager, _), _] = managers();
        let session = manager.open(None);
        is_send_and_sync(&session);
        is_send(session.get::<String>("n"));
        is_send(session.set("n", 1));
        is_send(session.close());
    });
}
