//! Lifetimes: a session's own time to live, and its absolute end.

use std::time::Duration;

use session_core::{Closed, Error, Granularity, Manager, Outcome, SessionId, TtlRange};
use tokio::time::sleep;

use super::{TTL, close, create, is_whole, managers, probe::Probe, stored};

const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_secs(2);

/// Managers whose sessions end after [`LONG`].
fn limited() -> [Manager; 2] {
    [Granularity::Whole, Granularity::Item].map(|granularity| {
        let builder = Manager::builder(Probe::new(granularity)).ttl(TTL);
        builder.absolute_ttl(LONG).build().unwrap()
    })
}

/// Reads an item, and returns whether the session exists.
async fn is_read(manager: &Manager, id: &SessionId) -> bool {
    let session = manager.open(Some(id.clone()));
    let read = session.get::<u32>("n").await.unwrap();
    close(&session).await;
    read.is_some()
}

async fn close_whole(session: &session_core::Session) -> Closed {
    let closed = session.close().await;
    assert!(closed.failure.is_none(), "{:?}", closed.failure);
    closed
}

#[tokio::test(start_paused = true)]
async fn g15_a_session_lives_for_its_own_ttl_after_its_last_use() {
    for (manager, _) in managers() {
        for own in [LONG, SHORT] {
            let id = create(&manager).await;
            let session = manager.open(Some(id.clone()));
            session.set_ttl(own).await.unwrap();
            let closed = close_whole(&session).await;
            assert!(matches!(closed.outcome, Outcome::Kept { roll: true, .. }), "{closed:?}");
            assert_eq!((closed.ttl, closed.has_own_ttl, closed.sets_ttl), (Some(own), true, true));
            for _ in 0..3 {
                sleep(own - own / 100).await;
                assert!(is_read(&manager, &id).await, "{own:?}");
            }
            let session = manager.open(Some(id.clone()));
            assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
            assert_eq!(session.expires_in().await.unwrap(), Some(own));
            let closed = close_whole(&session).await;
            assert_eq!((closed.ttl, closed.has_own_ttl, closed.sets_ttl), (Some(own), true, false));
            sleep(own).await;
            assert!(!is_read(&manager, &id).await, "{own:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_goes_back_to_the_default_ttl() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        for (own, left) in [(Some(LONG), LONG), (None, TTL)] {
            let session = manager.open(Some(id.clone()));
            session.set_ttl(own).await.unwrap();
            let closed = close_whole(&session).await;
            assert!(closed.sets_ttl && closed.has_own_ttl == own.is_some());
            let session = manager.open(Some(id.clone()));
            assert_eq!(session.expires_in().await.unwrap(), Some(left));
        }
        let found = manager.storage().get_session(&id).await.unwrap().unwrap();
        assert_eq!(found.stored(), r#"{"n":1}"#, "nothing is left of it");
    }
}

#[tokio::test]
async fn an_own_ttl_waits_for_the_first_item_and_stays_with_a_renewal() {
    for (manager, _) in managers() {
        let session = manager.open(None);
        session.set_ttl(LONG).await.unwrap();
        assert_eq!(session.id().await.unwrap(), None, "it begins no session");
        session.set("n", 1).await.unwrap();
        session.save().await.unwrap();
        session.regenerate_id().await.unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        let left = manager.storage().expires_in(&id).await.unwrap().unwrap();
        assert!(left > LONG / 2, "{left:?}");
    }
}

#[tokio::test]
async fn an_own_ttl_ends_with_its_session() {
    for (manager, _) in managers() {
        let id = create(&manager).await;
        let session = manager.open(Some(id));
        session.set_ttl(LONG).await.unwrap();
        session.remove_all().await.unwrap();
        session.set("n", 2).await.unwrap();
        let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
        let left = manager.storage().expires_in(&id).await.unwrap().unwrap();
        assert!(left <= TTL, "{left:?}");
    }
}

#[tokio::test]
async fn a_ttl_out_of_range_is_refused() {
    let [(manager, _), _] = managers();
    for ttl in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
        let refused = manager.open(None).set_ttl(ttl).await;
        assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
        for builder in [
            Manager::builder(Probe::new(Granularity::Whole)).absolute_ttl(ttl),
            Manager::builder(Probe::new(Granularity::Whole)).renew_after(ttl),
        ] {
            assert!(matches!(builder.build(), Err(Error::Config(_))));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g15_a_session_ends_at_its_absolute_end_however_much_it_is_used() {
    for manager in limited() {
        let id = create(&manager).await;
        for second in 0..LONG.as_secs() {
            if second % 20 == 0 {
                let session = manager.open(Some(id.clone()));
                let left = session.expires_in().await.unwrap().unwrap();
                assert!(left <= Duration::from_secs(LONG.as_secs() - second) && left <= TTL);
                match second % 60 {
                    0 => session.set("seen", second).await.unwrap(),
                    20 => assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1)),
                    _ => assert!(session.contains("n").await.unwrap()),
                }
                close(&session).await;
            }
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(stored(&manager, &id).await, None, "the store has ended it");
        assert!(!is_read(&manager, &id).await);
    }
}

#[tokio::test(start_paused = true)]
async fn g15_a_ttl_extended_by_hand_prolongs_nothing() {
    for manager in limited() {
        let id = create(&manager).await;
        let by_hand = TtlRange::at_least(10 * LONG);
        manager.storage().update_ttl(&id, by_hand).await.unwrap();
        sleep(LONG).await;
        assert!(stored(&manager, &id).await.is_some(), "the store keeps it");
        let session = manager.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), None);
        assert!(!session.contains("n").await.unwrap());
        assert_eq!(session.size().await.unwrap(), 0);
        assert_eq!(session.id().await.unwrap(), None);
        assert_eq!(session.expires_in().await.unwrap(), None);
        assert_eq!(session.data().await.unwrap(), None);
        session.set("n", 2).await.unwrap();
        let Outcome::Issued { id: new } = close(&session).await else { panic!("no id was issued") };
        assert_ne!(new, id);
    }
}

#[tokio::test(start_paused = true)]
async fn g15_the_absolute_end_stays_with_a_renewal() {
    for manager in limited() {
        let mut id = create(&manager).await;
        for _ in 0..11 {
            sleep(LONG / 12).await;
            let session = manager.open(Some(id));
            session.regenerate_id().await.unwrap();
            let Outcome::Issued { id: new } = close(&session).await else { panic!("not renewed") };
            id = new;
            manager.storage().update_ttl(&id, TtlRange::at_least(TTL)).await.unwrap();
        }
        sleep(LONG / 12).await;
        assert!(!is_read(&manager, &id).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lowered_absolute_ttl_reaches_living_sessions() {
    for granularity in [Granularity::Whole, Granularity::Item] {
        let probe = Probe::new(granularity);
        let manager = |absolute: Option<Duration>| {
            let builder = Manager::builder(probe.clone()).ttl(TTL).absolute_ttl(absolute);
            builder.build().unwrap()
        };
        let id = create(&manager(Some(LONG))).await;
        sleep(SHORT).await;
        let lowered = manager(Some(SHORT * 2));
        assert!(is_read(&lowered, &id).await);
        sleep(SHORT).await;
        assert!(!is_read(&lowered, &id).await);

        // One from before there was a limit: counted from its first use.
        let id = create(&manager(None)).await;
        sleep(SHORT).await;
        assert!(is_read(&lowered, &id).await);
        sleep(SHORT * 2 - Duration::from_millis(1)).await;
        assert!(is_read(&lowered, &id).await);
        sleep(Duration::from_millis(1)).await;
        assert!(!is_read(&lowered, &id).await);
    }
}

#[tokio::test]
async fn without_lifetimes_of_their_own_sessions_have_no_metadata_and_nothing_reads_it() {
    for (manager, probe) in managers() {
        let id = create(&manager).await;
        let found = manager.storage().get_session(&id).await.unwrap().unwrap();
        assert_eq!(found.stored(), r#"{"n":1}"#);
        probe.asked();
        assert!(is_read(&manager, &id).await);
        let read = if is_whole(&manager) { "get_session" } else { "get" };
        let calls = probe.asked();
        let of_requests = calls.into_iter().filter(|call| *call != "update_ttl");
        assert_eq!(of_requests.collect::<Vec<_>>(), [read]);
    }
}

#[tokio::test]
async fn an_item_is_read_with_the_lifetimes_in_one_call() {
    let probe = Probe::new(Granularity::Item);
    let builder = Manager::builder(probe.clone()).ttl(TTL).absolute_ttl(LONG);
    let manager = builder.build().unwrap();
    let id = create(&manager).await;
    probe.asked();
    assert!(is_read(&manager, &id).await);
    let calls = probe.asked();
    let of_requests = calls.into_iter().filter(|call| *call != "update_ttl");
    assert_eq!(of_requests.collect::<Vec<_>>(), ["get_with_metadata"]);
}
