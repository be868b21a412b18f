//! What a request can rely on, with storages of whole sessions and of items alike.

#[path = "support/probe.rs"]
mod probe;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use probe::Probe;
use serde_json::value::RawValue;
use session_core::{Closed, Error, Granularity, Manager, Outcome, Result, Session, SessionId};
use tokio::time::{Instant, sleep};

const TTL: Duration = Duration::from_secs(60);

fn both() -> [(Manager, Arc<Probe>); 2] {
    [Granularity::Whole, Granularity::Item].map(|granularity| {
        let probe = Probe::new(granularity);
        (Manager::builder(probe.clone()).ttl(TTL).build().unwrap(), probe)
    })
}

fn is_whole(manager: &Manager) -> bool {
    manager.storage().granularity() == Granularity::Whole
}

/// Closes a session of which nothing must have gone wrong.
async fn close(session: &Session) -> Outcome {
    let Closed { outcome, failure } = session.close().await;
    assert!(failure.is_none(), "{failure:?}");
    outcome
}

/// Starts a session with the item `n` = 1.
async fn started(manager: &Manager) -> SessionId {
    let session = manager.open(None);
    session.set("n", 1).await.unwrap();
    let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
    id
}

async fn stored(manager: &Manager, id: &SessionId) -> Option<String> {
    manager.storage().get_session(id).await.unwrap().map(|session| session.to_json().into_owned())
}

#[tokio::test]
async fn a_request_that_does_not_touch_its_session_costs_no_storage_operation() {
    for (manager, probe) in both() {
        let session = manager.open(Some(SessionId::random()));
        assert_eq!(close(&session).await, Outcome::Untouched);
        assert!(probe.asked().is_empty());
    }
}

#[tokio::test]
async fn a_new_session_is_issued_and_found_again() {
    for (manager, probe) in both() {
        let id = started(&manager).await;
        assert_eq!(probe.asked(), ["set_session"]);

        let session = manager.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        assert_eq!(session.get::<u32>("other").await.unwrap(), None);
        assert_eq!(session.id().await.unwrap(), Some(id.clone()));
        assert_eq!(close(&session).await, Outcome::Kept { id, roll: false });
        let asks = if is_whole(&manager) { vec!["get_session"] } else { vec!["get", "get"] };
        assert_eq!(probe.asked(), asks);
    }
}

#[tokio::test]
async fn g3_an_unknown_claim_is_never_adopted() {
    for (manager, _) in both() {
        let claim = SessionId::random();
        let session = manager.open(Some(claim.clone()));
        assert_eq!(session.id().await.unwrap(), None);
        session.set("n", 1).await.unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        assert_ne!(id, claim);
        assert_eq!(stored(&manager, &claim).await, None);
        assert_eq!(manager.unknown_claims(), 1);

        // Nor when it is written to at once.
        let session = manager.open(Some(claim.clone()));
        session.set("n", 1).await.unwrap();
        assert!(matches!(close(&session).await, Outcome::Issued { id } if id != claim));
        assert_eq!(manager.unknown_claims(), 2);
    }
}

#[tokio::test]
async fn a_stale_cookie_is_left_alone() {
    for (manager, _) in both() {
        let session = manager.open(Some(SessionId::random()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), None);
        session.remove(["n"]).await.unwrap();
        session.remove_all().await.unwrap();
        assert_eq!(close(&session).await, Outcome::Untouched);
    }
}

#[tokio::test]
async fn items_are_read_and_written_in_all_ways() {
    for (manager, _) in both() {
        let session = manager.open(None);
        assert_eq!(session.get_or("n", 7).await.unwrap(), 7);
        assert_eq!(session.size().await.unwrap(), 0);
        assert!(!session.is_dirty());
        session.set_map(BTreeMap::from([("a", 1), ("b", 2), ("c", 3)])).await.unwrap();
        session.remove(["a", "nobody"]).await.unwrap();
        session.set("d", "text").await.unwrap();
        assert!(session.is_dirty());
        assert!(session.contains("b").await.unwrap() && !session.contains("a").await.unwrap());
        assert_eq!(session.size().await.unwrap(), 3);
        let data = session.data().await.unwrap().unwrap();
        assert_eq!(data.to_json(), r#"{"b":2,"c":3,"d":"text"}"#);
        let id = session.id().await.unwrap().expect("an id is promised with the first item");
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
    for (manager, _) in both() {
        let session = manager.open(None);
        for text in ["9007199254740993", "2.50", "1E5", "-0", "18446744073709551616", "1e400"] {
            session.set(text, RawValue::from_string(text.to_owned()).unwrap()).await.unwrap();
            let item: Box<RawValue> = session.get(text).await.unwrap().unwrap();
            assert_eq!(item.get(), text);
        }
        assert!(matches!(session.get::<u8>("2.50").await, Err(Error::Decode { .. })));
        assert!(matches!(close(&session).await, Outcome::Issued { .. }), "not a failure to keep");
    }
}

#[tokio::test]
async fn removing_everything_ends_the_session() {
    for (manager, _) in both() {
        let id = started(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.remove_all().await.unwrap();
        assert_eq!(session.id().await.unwrap(), None);
        assert_eq!(close(&session).await, Outcome::Ended);
        assert_eq!(stored(&manager, &id).await, None);

        let id = started(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.remove(["n"]).await.unwrap();
        assert_eq!(close(&session).await, Outcome::Ended);
        assert_eq!(stored(&manager, &id).await, None);
    }
}

#[tokio::test]
async fn what_is_set_after_the_end_starts_a_new_session() {
    for (manager, _) in both() {
        let old = started(&manager).await;
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
    for (manager, _) in both() {
        let id = started(&manager).await;
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
    for (manager, _) in both() {
        let id = started(&manager).await;
        let writer = manager.open(Some(id.clone()));
        assert_eq!(writer.get::<u32>("n").await.unwrap(), Some(1));
        manager.open(Some(id.clone())).remove_all().await.unwrap();
        let written = writer.set("n", 2).await;
        assert!(is_whole(&manager) || matches!(written, Err(Error::Vanished)));
        let Closed { outcome, failure } = writer.close().await;
        assert!(matches!(failure, Some(Error::Vanished)), "{failure:?}");
        assert_eq!(outcome, Outcome::Untouched, "the other tab may have a new cookie by now");
        assert_eq!(stored(&manager, &id).await, None);
    }
}

#[tokio::test]
async fn g4_renewing_keeps_the_data_and_kills_the_old_id() {
    for (manager, _) in both() {
        let old = started(&manager).await;
        let session = manager.open(Some(old.clone()));
        let new = session.regenerate_id(true).await.unwrap().unwrap();
        assert_eq!(stored(&manager, &old).await, None, "dead at once");
        // A write after the renewal must not undo it.
        session.set("m", 2).await.unwrap();
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        assert_eq!(close(&session).await, Outcome::Issued { id: new.clone() });
        assert_eq!(stored(&manager, &new).await.as_deref(), Some(r#"{"m":2,"n":1}"#));
    }
}

#[tokio::test]
async fn renewing_can_leave_the_old_session_to_expire() {
    for (manager, _) in both() {
        let old = started(&manager).await;
        let session = manager.open(Some(old.clone()));
        let new = session.regenerate_id(false).await.unwrap().unwrap();
        assert_eq!(close(&session).await, Outcome::Issued { id: new.clone() });
        assert_eq!(stored(&manager, &old).await, stored(&manager, &new).await);
    }
}

#[tokio::test]
async fn renewing_what_is_not_there_does_nothing() {
    for (manager, _) in both() {
        for claim in [None, Some(SessionId::random())] {
            let session = manager.open(claim);
            assert_eq!(session.regenerate_id(true).await.unwrap(), None);
            assert_eq!(close(&session).await, Outcome::Untouched);
        }
        let id = started(&manager).await;
        let session = manager.open(Some(id.clone()));
        assert!(session.contains("n").await.unwrap());
        manager.open(Some(id)).remove_all().await.unwrap();
        assert!(matches!(session.regenerate_id(true).await, Err(Error::Vanished)));
    }
}

#[tokio::test]
async fn g4_a_renewed_id_is_told_even_if_the_store_fails_afterwards() {
    for (manager, probe) in both() {
        let old = started(&manager).await;
        let session = manager.open(Some(old));
        let new = session.regenerate_id(true).await.unwrap().unwrap();
        probe.set_down(true);
        let _ = session.set("m", 2).await;
        let Closed { outcome, failure } = session.close().await;
        assert!(matches!(failure, Some(Error::Storage(_))));
        assert_eq!(outcome, Outcome::Issued { id: new });
    }
}

#[tokio::test]
async fn g7_a_failure_that_the_handler_ignored_is_reported_at_close() {
    for (manager, probe) in both() {
        let id = started(&manager).await;
        let session = manager.open(Some(id));
        probe.set_down(true);
        let _ = session.set("m", 2).await;
        let _ = session.get_or("n", 0).await;
        probe.set_down(false);
        let Closed { outcome, failure } = session.close().await;
        assert!(matches!(failure, Some(Error::Storage(_))), "{failure:?}");
        assert_eq!(outcome, Outcome::Untouched);
    }
}

#[tokio::test(start_paused = true)]
async fn g8_all_waiting_of_one_request_is_bounded_together() {
    for (manager, probe) in both() {
        let id = started(&manager).await;
        probe.hang();
        probe.asked();
        let session = manager.open(Some(id));
        let began = Instant::now();
        for _ in 0..3 {
            assert!(matches!(session.get::<u32>("n").await, Err(Error::Timeout)));
        }
        let _ = session.set("m", 2).await;
        assert!(matches!(session.close().await.failure, Some(Error::Timeout)));
        assert_eq!(began.elapsed(), manager.timeout());
        assert_eq!(probe.asked().len(), 1, "the store is not asked again");
    }
}

#[tokio::test]
async fn after_close_every_operation_says_so() {
    for (manager, _) in both() {
        let id = started(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.set("m", 2).await.unwrap();
        let outcome = close(&session).await;
        assert_eq!(close(&session).await, outcome, "a second close reports the same");
        fn is_closed<T>(result: Result<T>) -> bool {
            matches!(result, Err(Error::Closed))
        }
        assert!(is_closed(session.get::<u32>("n").await));
        assert!(is_closed(session.set("n", 1).await));
        assert!(is_closed(session.remove(["n"]).await));
        assert!(is_closed(session.remove_all().await));
        assert!(is_closed(session.regenerate_id(true).await));
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
    for (manager, _) in both() {
        let id = started(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.set("m", 2).await.unwrap();
        drop(session);
        let kept = if is_whole(&manager) { r#"{"n":1}"# } else { r#"{"m":2,"n":1}"# };
        assert_eq!(stored(&manager, &id).await.as_deref(), Some(kept));
    }
}

#[tokio::test]
async fn save_shows_the_changes_to_others_before_close() {
    for (manager, _) in both() {
        let id = started(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.set("m", 2).await.unwrap();
        session.save().await.unwrap();
        assert_eq!(stored(&manager, &id).await.as_deref(), Some(r#"{"m":2,"n":1}"#));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        assert_eq!(close(&session).await, Outcome::Kept { id, roll: false });
    }
}

#[tokio::test]
async fn g7_what_is_changed_while_a_save_is_under_way_is_stored_too() {
    let [(manager, _), _] = both();
    let id = started(&manager).await;
    let session = manager.open(Some(id.clone()));
    session.set("m", 2).await.unwrap();
    session.set("n", 2).await.unwrap();
    let (saved, set) = tokio::join!(session.save(), session.set("n", 3));
    saved.and(set).unwrap();
    assert_eq!(session.get::<u32>("n").await.unwrap(), Some(3));

    // What has been saved is not written again over what others have written since.
    let other = manager.open(Some(id.clone()));
    other.set("m", 4).await.unwrap();
    close(&other).await;
    let (_, set) = tokio::join!(close(&session), session.set("l", 5));
    set.unwrap();
    assert_eq!(stored(&manager, &id).await.as_deref(), Some(r#"{"l":5,"m":4,"n":3}"#));
}

#[tokio::test]
async fn an_id_can_be_chosen_before_the_session_starts() {
    for (manager, probe) in both() {
        let chosen = SessionId::parse("chosen").unwrap();
        let session = manager.open(Some(SessionId::random()));
        session.set_id(chosen.clone()).unwrap();
        assert_eq!(session.id().await.unwrap(), None, "it waits for the first item");
        assert!(probe.asked().is_empty());
        session.set("n", 1).await.unwrap();
        assert!(matches!(session.set_id(SessionId::random()), Err(Error::Started)));
        assert_eq!(close(&session).await, Outcome::Issued { id: chosen.clone() });

        let second = manager.open(None);
        second.set_id(chosen.clone()).unwrap();
        let _ = second.set("n", 2).await;
        let Closed { outcome, failure } = second.close().await;
        assert!(matches!(failure, Some(Error::IdTaken)));
        assert_eq!(outcome, Outcome::Untouched);
        assert_eq!(stored(&manager, &chosen).await.as_deref(), Some(r#"{"n":1}"#));

        let third = manager.open(None);
        third.set_id_fn(|| SessionId::parse("made").unwrap()).unwrap();
        third.set("n", 3).await.unwrap();
        assert!(matches!(close(&third).await, Outcome::Issued { id } if id.as_str() == "made"));
    }
}

#[tokio::test]
async fn operations_of_one_request_can_be_awaited_together() {
    for (manager, _) in both() {
        let session = manager.open(None);
        let (a, b, c) = tokio::join!(session.set("a", 1), session.set("b", 2), session.set("c", 3));
        a.and(b).and(c).unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        assert_eq!(stored(&manager, &id).await.as_deref(), Some(r#"{"a":1,"b":2,"c":3}"#));
    }
}

#[tokio::test(start_paused = true)]
async fn g9_a_read_keeps_a_session_alive_and_expiry_is_exact() {
    for (manager, _) in both() {
        let id = started(&manager).await;
        for _ in 0..20 {
            sleep(Duration::from_secs(37)).await;
            let session = manager.open(Some(id.clone()));
            assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
            close(&session).await;
        }
        sleep(TTL - Duration::from_millis(200)).await;
        assert!(stored(&manager, &id).await.is_some());
        sleep(Duration::from_millis(400)).await;
        assert_eq!(stored(&manager, &id).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn g9_frequent_reads_write_the_ttl_once_an_interval_and_still_expire_exactly() {
    for (manager, probe) in both() {
        let id = started(&manager).await;
        probe.asked();
        for _ in 0..600 {
            sleep(Duration::from_millis(100)).await;
            let session = manager.open(Some(id.clone()));
            assert!(session.contains("n").await.unwrap());
            close(&session).await;
        }
        let writes = probe.asked().iter().filter(|asked| **asked == "update_ttl").count();
        assert!((9..=11).contains(&writes), "{writes} in 60 s at an interval of 6 s");
        sleep(TTL - Duration::from_millis(200)).await;
        assert!(stored(&manager, &id).await.is_some());
        sleep(Duration::from_millis(400)).await;
        assert_eq!(stored(&manager, &id).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn g9_reading_an_absent_item_is_a_use_too() {
    for (manager, _) in both() {
        let id = started(&manager).await;
        sleep(TTL - Duration::from_secs(1)).await;
        let session = manager.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("nobody").await.unwrap(), None);
        close(&session).await;
        sleep(TTL - Duration::from_secs(1)).await;
        assert!(stored(&manager, &id).await.is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn g9_flush_writes_what_is_owed_at_shutdown() {
    for (manager, _) in both() {
        let id = started(&manager).await;
        sleep(Duration::from_secs(5)).await;
        let session = manager.open(Some(id.clone()));
        assert!(session.contains("n").await.unwrap());
        close(&session).await;
        let left = async || manager.storage().expires_in(&id).await.unwrap().unwrap().as_secs();
        assert!(left().await < 56);
        manager.flush().await;
        assert!(left().await >= 59);
    }
}

#[tokio::test(start_paused = true)]
async fn looking_at_the_time_left_does_not_prolong_it() {
    for (manager, _) in both() {
        let id = started(&manager).await;
        for passed in [10, 20, 30] {
            sleep(Duration::from_secs(10)).await;
            let session = manager.open(Some(id.clone()));
            let left = session.expires_in().await.unwrap().unwrap();
            assert_eq!(left.as_secs_f32().round() as u64, 60 - passed);
            assert_eq!(close(&session).await, Outcome::Untouched);
        }
        assert_eq!(manager.open(None).expires_in().await.unwrap(), None);
        assert_eq!(manager.open(Some(SessionId::random())).expires_in().await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_ttl_that_the_store_refused_is_written_when_it_is_back() {
    for (manager, probe) in both() {
        let id = started(&manager).await;
        sleep(Duration::from_secs(50)).await;
        let session = manager.open(Some(id.clone()));
        assert!(session.contains("n").await.unwrap());
        probe.set_down(true);
        close(&session).await;
        sleep(Duration::from_secs(3)).await;
        probe.set_down(false);
        sleep(Duration::from_secs(20)).await;
        assert!(stored(&manager, &id).await.is_some());
    }
}

#[tokio::test]
async fn settings_out_of_range_are_refused() {
    let build = |ttl| Manager::builder(Probe::new(Granularity::Whole)).ttl(ttl).build();
    assert!(matches!(build(Duration::ZERO), Err(Error::Config(_))));
    assert!(matches!(build(Duration::MAX), Err(Error::Config(_))));
    assert!(build(Duration::from_millis(1)).is_ok());
    assert!(build(session_core::MAX_TTL).is_ok());
}

#[test]
fn a_session_can_be_used_from_any_thread() {
    fn is_send_and_sync<T: Send + Sync>(_: &T) {}
    fn is_send<T: Send>(_: T) {}
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let [(manager, _), _] = both();
        let session = manager.open(None);
        is_send_and_sync(&session);
        is_send(session.get::<String>("n"));
        is_send(session.set("n", 1));
        is_send(session.close());
    });
}
