//! Cookies that follow a session's own time to live, its absolute end and its renewals.

use std::time::Duration;

use session_actix::{CookieAge, SessionMiddleware};
use session_core::{Granularity, Manager, ManagerBuilder};
use tokio::time::{pause, sleep};

use crate::{MONTH, app, call, cookie, cookies, plain, probe::Probe, text};

const TTL: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(6);

fn managers(build: impl Fn(ManagerBuilder) -> ManagerBuilder) -> [Manager; 2] {
    [Granularity::Whole, Granularity::Item].map(|granularity| {
        build(Manager::builder(Probe::new(granularity)).ttl(TTL)).build().unwrap()
    })
}

fn sessions(manager: &Manager, age: CookieAge) -> SessionMiddleware {
    let builder = SessionMiddleware::builder(manager.clone());
    builder.cookie(plain("sid").age(age)).build().unwrap()
}

/// Returns the age of the only cookie, if it has one.
fn age<B>(response: &actix_web::dev::ServiceResponse<B>) -> Option<u64> {
    let cookies = cookies(response);
    assert_eq!(cookies.len(), 1, "{cookies:?}");
    let (_, age) = cookies[0].split_once("Max-Age=")?;
    Some(age.split(';').next().unwrap().parse().unwrap())
}

#[actix_web::test]
async fn the_cookie_of_a_remembered_session_follows_its_own_ttl() {
    pause();
    let remembered = Some((MONTH + INTERVAL).as_secs());
    for manager in managers(|builder| builder) {
        for (kind, default) in [
            (CookieAge::Session, None),
            (CookieAge::Rolling, Some((TTL + INTERVAL).as_secs())),
            (CookieAge::Fixed(Duration::from_secs(100)), Some(100)),
        ] {
            let app = app!(sessions(&manager, kind));
            let first = call(&app, "/set", None).await;
            assert_eq!(age(&first), default, "{kind:?}");
            let id = cookie(&first);
            let response = call(&app, "/remember", Some(&id)).await;
            assert_eq!(age(&response), remembered, "{kind:?}");
            assert_eq!(cookie(&response), id);
            // Sent again once per touch interval, as with a rolling cookie.
            sleep(INTERVAL).await;
            assert_eq!(age(&call(&app, "/get", Some(&id)).await), remembered, "{kind:?}");
            assert_eq!(cookies(&call(&app, "/get", Some(&id)).await).len(), 0, "{kind:?}");
            // It outlives the default, and stays with a login.
            sleep(TTL * 2).await;
            let renewed = call(&app, "/renew", Some(&id)).await;
            assert_eq!(age(&renewed), remembered, "{kind:?}");
            let forgotten = call(&app, "/forget", Some(&cookie(&renewed))).await;
            assert_eq!(age(&forgotten), default, "{kind:?}");
            assert_eq!(text(call(&app, "/get", Some(&cookie(&forgotten))).await).await, "Some(1)");
        }
    }
}

#[actix_web::test]
async fn a_request_that_only_writes_rolls_the_cookie_of_a_remembered_session() {
    pause();
    for manager in managers(|builder| builder) {
        let app = app!(sessions(&manager, CookieAge::Rolling));
        let id = cookie(&call(&app, "/remember", None).await);
        sleep(INTERVAL).await;
        let rolled = call(&app, "/set", Some(&id)).await;
        assert_eq!(age(&rolled), Some((MONTH + INTERVAL).as_secs()));
    }
}

#[actix_web::test]
async fn another_node_keeps_the_cookie_of_a_remembered_session() {
    pause();
    for granularity in [Granularity::Whole, Granularity::Item] {
        let probe = Probe::new(granularity);
        // It has never seen that a session has a time to live of its own.
        let [first, other] = [(); 2].map(|()| {
            let manager = Manager::builder(probe.clone()).ttl(TTL).build().unwrap();
            sessions(&manager, CookieAge::Rolling)
        });
        let (first, other) = (app!(first), app!(other));
        let id = cookie(&call(&first, "/remember", None).await);
        sleep(TTL * 2).await;
        for path in ["/get", "/set"] {
            sleep(INTERVAL).await;
            let rolled = call(&other, path, Some(&id)).await;
            assert_eq!(age(&rolled), Some((MONTH + INTERVAL).as_secs()), "{path}");
        }
    }
}

#[actix_web::test]
async fn g15_no_cookie_outlives_the_absolute_end() {
    pause();
    for manager in managers(|builder| builder.absolute_ttl(TTL * 2)) {
        let app = app!(sessions(&manager, CookieAge::Rolling));
        let id = cookie(&call(&app, "/set", None).await);
        for (after, left) in [(TTL / 2, TTL), (TTL / 2, TTL), (TTL / 2, TTL / 2)] {
            sleep(after).await;
            let rolled = call(&app, "/get", Some(&id)).await;
            assert_eq!(age(&rolled), Some((left + INTERVAL).as_secs()));
        }
        sleep(TTL / 2).await;
        let over = call(&app, "/get", Some(&id)).await;
        assert_eq!(cookies(&over).len(), 0);
        assert_eq!(text(over).await, "None");
    }
}

#[actix_web::test]
async fn g14_a_renewal_by_itself_is_told_to_every_request_with_the_old_id() {
    pause();
    let renew_after = Duration::from_secs(40);
    for manager in managers(|builder| builder.renew_after(renew_after)) {
        let app = app!(sessions(&manager, CookieAge::Session));
        let old = cookie(&call(&app, "/set", None).await);
        sleep(renew_after).await;
        let renewed = call(&app, "/get", Some(&old)).await;
        let new = cookie(&renewed);
        assert_ne!(new, old);
        assert_eq!(text(renewed).await, "Some(1)");
        for path in ["/get", "/set", "/public", "/careless"] {
            assert_eq!(cookie(&call(&app, path, Some(&old)).await), new, "{path}");
        }
        assert_eq!(cookies(&call(&app, "/get", Some(&new)).await).len(), 0);
        assert_eq!(cookies(&call(&app, "/idle", Some(&old)).await).len(), 0);
    }
}
