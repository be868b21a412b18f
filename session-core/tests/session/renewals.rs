//! Renewal by itself: requests in flight go on, and all are told the same new id.

use std::time::Duration;

use futures_util::future::join_all;
use session_core::{Error, Granularity, Manager, Outcome, SessionId};
use tokio::time::{Instant, sleep};

use super::{TTL, close, create, probe::Probe, stored};

const RENEW_AFTER: Duration = Duration::from_secs(40);
const GRACE: Duration = Duration::from_secs(30);

/// Managers that renew ids, each with another one of the same store on another node.
fn nodes() -> [[Manager; 2]; 2] {
    [Granularity::Whole, Granularity::Item].map(|granularity| {
        let probe = Probe::new(granularity);
        [(); 2].map(|()| {
            let builder = Manager::builder(probe.clone()).ttl(TTL).renew_after(RENEW_AFTER);
            builder.build().unwrap()
        })
    })
}

/// Reads an item. Returns it, and the id that the client has from now on.
async fn read(manager: &Manager, id: &SessionId) -> (Option<u32>, SessionId) {
    let session = manager.open(Some(id.clone()));
    let item = session.get("n").await.unwrap();
    let id = match close(&session).await {
        Outcome::Issued { id } => id,
        _ => id.clone(),
    };
    (item, id)
}

/// Creates a session whose id is due to be renewed.
async fn due(manager: &Manager) -> SessionId {
    let id = create(manager).await;
    sleep(RENEW_AFTER).await;
    id
}

#[tokio::test(start_paused = true)]
async fn an_id_is_renewed_once_it_is_old_enough() {
    for [manager, _] in nodes() {
        let id = create(&manager).await;
        sleep(RENEW_AFTER - Duration::from_millis(10)).await;
        assert_eq!(read(&manager, &id).await, (Some(1), id.clone()));
        sleep(Duration::from_millis(10)).await;
        let (item, new) = read(&manager, &id).await;
        assert_eq!(item, Some(1));
        assert_ne!(new, id);
        assert_eq!(stored(&manager, &id).await, None);
        assert_eq!(read(&manager, &new).await, (Some(1), new.clone()), "not renewed again");
        sleep(RENEW_AFTER).await;
        assert_ne!(read(&manager, &new).await.1, new, "renewed again");
    }
}

#[tokio::test(start_paused = true)]
async fn g14_the_old_id_leads_to_the_session_for_the_grace_and_no_longer() {
    for [manager, other] in nodes() {
        let id = due(&manager).await;
        let (_, new) = read(&manager, &id).await;
        for node in [&manager, &other] {
            assert_eq!(read(node, &id).await, (Some(1), new.clone()));
        }
        sleep(GRACE - Duration::from_millis(10)).await;
        assert_eq!(read(&other, &id).await, (Some(1), new.clone()));
        sleep(Duration::from_millis(10)).await;
        assert_eq!(read(&other, &id).await, (None, id), "the grace is over");
        assert_eq!(read(&manager, &new).await.0, Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn g14_fifty_requests_during_a_renewal_lose_nothing_and_end_with_the_same_id() {
    for [manager, other] in nodes() {
        let id = due(&manager).await;
        let requests = (0..50).map(|number: u64| {
            let node = if number.is_multiple_of(2) { &manager } else { &other };
            let id = id.clone();
            async move {
                let session = node.open(Some(id));
                if number.is_multiple_of(3) {
                    assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
                }
                sleep(Duration::from_millis(number % 7)).await;
                session.set(&format!("request {number}"), number).await.unwrap();
                if number.is_multiple_of(5) {
                    session.update_or("count", 0, |count| count + 1).await.unwrap();
                }
                close(&session).await
            }
        });
        let outcomes = join_all(requests).await;
        let (_, new) = read(&manager, &id).await;
        assert_ne!(new, id);
        let told = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Issued { .. }));
        assert!(told.clone().count() > 0);
        assert!(told.into_iter().all(|outcome| *outcome == Outcome::Issued { id: new.clone() }));
        let session = manager.open(Some(new));
        for number in 0..50 {
            let item = session.get::<u64>(&format!("request {number}")).await.unwrap();
            assert_eq!(item, Some(number));
        }
        assert_eq!(session.get::<u32>("count").await.unwrap(), Some(10));
    }
}

#[tokio::test(start_paused = true)]
async fn every_operation_with_the_old_id_goes_on_in_the_renewed_session() {
    for [manager, other] in nodes() {
        // Those that were open before the renewal, and those that come after it.
        for was_open in [true, false] {
            for operation in 0..9 {
                let id = due(&manager).await;
                let session = other.open(Some(id.clone()));
                if was_open {
                    session.passive();
                    assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
                }
                let (_, new) = read(&manager, &id).await;
                assert_ne!(new, id);
                match operation {
                    0 => assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1)),
                    1 => assert!(session.contains("n").await.unwrap()),
                    2 => assert_eq!(session.size().await.unwrap(), 1),
                    3 => assert_eq!(session.data().await.unwrap().unwrap().to_json(), r#"{"n":1}"#),
                    4 => session.set("n", 2).await.unwrap(),
                    5 => assert_eq!(
                        session.update("n", |n: Option<u32>| n.unwrap() + 1).await.unwrap(),
                        2
                    ),
                    6 => assert_eq!(session.take::<u32>("n").await.unwrap(), Some(1)),
                    7 => assert!(session.expires_in().await.unwrap().is_some()),
                    _ => session.remove("n").await.unwrap(),
                }
                let outcome = close(&session).await;
                let items = stored(&manager, &new).await;
                let expected = match operation {
                    4 | 5 => r#"{"n":2}"#,
                    6 | 8 => "{}",
                    _ => r#"{"n":1}"#,
                };
                assert_eq!(items.as_deref(), Some(expected), "{was_open} {operation}");
                let is_write = matches!(operation, 4 | 5 | 6 | 8);
                if is_write || !was_open && operation != 7 {
                    assert_eq!(outcome, Outcome::Issued { id: new }, "{was_open} {operation}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g2_a_logout_with_the_old_id_ends_the_renewed_session() {
    for [manager, other] in nodes() {
        for was_open in [true, false] {
            let id = due(&manager).await;
            let session = other.open(Some(id.clone()));
            if was_open {
                session.passive();
                session.get::<u32>("n").await.unwrap();
            }
            let (_, new) = read(&manager, &id).await;
            session.remove_all().await.unwrap();
            assert_eq!(close(&session).await, Outcome::Ended);
            assert_eq!(stored(&manager, &new).await, None, "was open: {was_open}");
            assert_eq!(read(&manager, &id).await.0, None);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g14_a_login_after_a_renewal_leads_nobody_on() {
    for [manager, other] in nodes() {
        let id = due(&manager).await;
        let (_, new) = read(&manager, &id).await;
        // The login was sent with the old id.
        let session = manager.open(Some(id.clone()));
        session.regenerate_id().await.unwrap();
        session.set("user", "bob").await.unwrap();
        let Outcome::Issued { id: login } = close(&session).await else { panic!("no login") };
        assert!(login != id && login != new);
        for old in [id, new] {
            assert_eq!(read(&other, &old).await, (None, old.clone()));
            let session = other.open(Some(old));
            let written = match session.set("n", 3).await {
                Ok(()) => session.save().await,
                failed => failed,
            };
            assert!(matches!(written, Err(Error::Vanished)), "{written:?}");
            let closed = session.close().await;
            assert_eq!(closed.outcome, Outcome::Untouched);
        }
        assert_eq!(read(&manager, &login).await.0, Some(1));
    }
}

#[tokio::test(start_paused = true)]
async fn g14_a_slow_request_with_the_id_before_a_renewal_does_not_bring_back_the_id_before_a_login()
{
    for [manager, other] in nodes() {
        for ends in [None, Some("login"), Some("logout")] {
            let id = due(&manager).await;
            let (_, new) = read(&manager, &id).await;
            let slow = other.open(Some(id.clone()));
            assert_eq!(slow.get::<u32>("n").await.unwrap(), Some(1));
            slow.set("slow", 1).await.unwrap();
            slow.save().await.unwrap();
            let session = manager.open(Some(new.clone()));
            match ends {
                None => {}
                Some("login") => drop(session.regenerate_id().await.unwrap()),
                Some(_) => session.remove_all().await.unwrap(),
            }
            close(&session).await;
            assert!(ends.is_none() || slow.try_close().is_none(), "it has to ask the store");
            let is_told = close(&slow).await == Outcome::Issued { id: new };
            assert_eq!(is_told, ends.is_none(), "{ends:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_login_that_was_open_during_a_renewal_succeeds() {
    for [manager, other] in nodes() {
        let id = due(&manager).await;
        let session = other.open(Some(id.clone()));
        session.passive();
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        read(&manager, &id).await;
        assert!(session.regenerate_id().await.unwrap().is_some());
        session.set("user", "bob").await.unwrap();
        let Outcome::Issued { id: login } = close(&session).await else { panic!("no login") };
        assert_eq!(stored(&manager, &login).await.unwrap(), r#"{"n":1,"user":"bob"}"#);
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_no_use_renew_nothing() {
    for [manager, _] in nodes() {
        let id = due(&manager).await;
        let session = manager.open(Some(id.clone()));
        session.passive();
        session.get::<u32>("n").await.unwrap();
        close(&session).await;
        assert_eq!(close(&manager.open(Some(id.clone()))).await, Outcome::Untouched);
        assert_ne!(stored(&manager, &id).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_fails_no_request() {
    for granularity in [Granularity::Whole, Granularity::Item] {
        let probe = Probe::new(granularity);
        let builder = Manager::builder(probe.clone()).ttl(TTL).renew_after(RENEW_AFTER);
        let manager = builder.build().unwrap();
        let id = due(&manager).await;
        let session = manager.open(Some(id.clone()));
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(1));
        probe.set_down(true);
        assert!(matches!(close(&session).await, Outcome::Kept { .. }));
        probe.set_down(false);
        assert_ne!(read(&manager, &id).await.1, id, "the next request renews it");
    }
}

#[tokio::test(start_paused = true)]
async fn g8_the_steps_of_a_renewal_share_the_time_that_a_session_has_for_waiting() {
    let timeout = Duration::from_secs(1);
    for granularity in [Granularity::Whole, Granularity::Item] {
        for milliseconds in [240, 300, 400, 600, 1100] {
            let probe = Probe::new(granularity);
            let builder = Manager::builder(probe.clone()).ttl(TTL).renew_after(RENEW_AFTER);
            let manager = builder.timeout(timeout).build().unwrap();
            let id = due(&manager).await;
            let session = manager.open(Some(id));
            session.login("bob").await.unwrap();
            let id = session.id().await.unwrap().unwrap();
            close(&session).await;
            sleep(RENEW_AFTER).await;
            probe.slow_down(Duration::from_millis(milliseconds), Duration::MAX);
            let (began, session) = (Instant::now(), manager.open(Some(id)));
            let read = session.get::<u32>("n").await;
            assert_eq!(read.is_ok(), milliseconds < 1000, "{milliseconds} ms");
            let closed = session.close().await;
            assert!(closed.failure.is_none());
            let waited = began.elapsed();
            assert!(waited <= timeout + Duration::from_millis(10), "{milliseconds} ms: {waited:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_that_dies_at_any_point_of_a_renewal_costs_nothing() {
    for [manager, other] in nodes() {
        let mut renewed = 0;
        for polls in 0..12 {
            let id = due(&manager).await;
            let session = manager.open(Some(id.clone()));
            session.get::<u32>("n").await.unwrap();
            // Polled until this point, and dropped.
            let mut closing = Box::pin(session.close());
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            for _ in 0..polls {
                if closing.as_mut().poll(&mut context).is_ready() {
                    break;
                }
            }
            drop(closing);
            let (item, new) = read(&other, &id).await;
            assert_eq!(item, Some(1), "after {polls} polls");
            renewed += usize::from(new != id);
            sleep(RENEW_AFTER).await;
            assert_ne!(read(&other, &new).await.1, new, "renewed the next time");
        }
        assert!((1..12).contains(&renewed), "each side of the renewal was reached");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_only_write_renew_too_at_one_look_per_interval() {
    let probe = Probe::new(Granularity::Item);
    let builder = Manager::builder(probe.clone()).ttl(TTL).renew_after(RENEW_AFTER);
    let manager = builder.build().unwrap();
    let mut id = create(&manager).await;
    let (first, mut looks) = (id.clone(), 0);
    for second in 0..=RENEW_AFTER.as_secs() + 6 {
        let session = manager.open(Some(id.clone()));
        session.set("second", second).await.unwrap();
        if let Outcome::Issued { id: new } = close(&session).await {
            id = new;
        }
        let calls = probe.asked();
        looks += calls.iter().filter(|call| **call == "get_with_metadata").count();
        sleep(Duration::from_secs(1)).await;
    }
    assert_ne!(id, first);
    assert!((7..=9).contains(&looks), "{looks} looks in 46 s, at most one in 6 s");
}

#[tokio::test]
async fn a_renewal_needs_a_shorter_grace() {
    let builder = || Manager::builder(Probe::new(Granularity::Whole)).renew_after(GRACE);
    for grace in [Duration::ZERO, GRACE] {
        let refused = builder().grace(grace).build();
        assert!(matches!(refused, Err(Error::Config(_))), "{refused:?}");
    }
    assert!(builder().grace(GRACE / 2).build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_marker_shows_neither_id() {
    for [manager, _] in nodes() {
        let id = due(&manager).await;
        let (_, new) = read(&manager, &id).await;
        let marker = manager.storage().get_session(&id).await.unwrap().unwrap();
        assert!(marker.is_marker());
        assert!(!marker.stored().contains(new.as_str()));
        assert!(!marker.stored().contains(id.as_str()));
    }
}
