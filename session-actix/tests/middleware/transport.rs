//! How requests and responses carry the id, and what caches are told.

use std::time::Duration;

use actix_web::{
    cookie::SameSite,
    dev::ServiceResponse,
    http::header::{CACHE_CONTROL, SET_COOKIE, VARY},
};
use session_actix::{CookieAge, CookieConfig, SessionMiddleware};
use session_core::{Manager, MemoryStorage, SessionId};

use crate::{app, call, call_with, cookie, manager, plain, sessions, text};

const HEADER: &str = "x-session";

/// Returns a middleware with a cookie and a header.
fn with_header(manager: &Manager) -> SessionMiddleware {
    let builder = SessionMiddleware::builder(manager.clone()).cookie(plain("sid"));
    builder.header("X-Session").build().unwrap()
}

fn header_only(manager: &Manager) -> SessionMiddleware {
    SessionMiddleware::builder(manager.clone()).header_only("X-Session").build().unwrap()
}

/// Returns the lines of one header of the response.
fn lines<'a, B>(response: &'a ServiceResponse<B>, name: &str) -> Vec<&'a str> {
    response.headers().get_all(name).map(|line| line.to_str().unwrap()).collect()
}

/// Returns the only id in the response's header.
fn told<B>(response: &ServiceResponse<B>) -> String {
    let lines = lines(response, HEADER);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines[0].to_owned()
}

#[actix_web::test]
async fn the_header_wins_over_the_cookie() {
    let (manager, _) = manager();
    let app = app!(with_header(&manager));
    let bob = cookie(&call(&app, "/set", None).await);
    let response = call_with(&app, "/careless", &[(HEADER, "")]).await;
    let alice = told(&response);
    assert_eq!(cookie(&response), format!("sid={alice}"), "the cookie is sent as well");

    let get = async |header: &str, cookie: &str| {
        text(call_with(&app, "/get", &[(HEADER, header), ("cookie", cookie)]).await).await
    };
    assert_eq!(get(&alice, &bob).await, "Some(2)");
    assert_eq!(get(&alice, "sid=dead").await, "Some(2)");
    for malformed in ["", "a b", "../x", &"x".repeat(129)] {
        assert_eq!(get(malformed, &bob).await, "Some(1)", "{malformed}");
    }
    assert_eq!(get("", "").await, "None");
}

#[actix_web::test]
async fn a_dead_id_in_the_header_falls_back_to_the_cookie() {
    let (manager, _) = manager();
    let app = app!(with_header(&manager));
    let sid = cookie(&call(&app, "/set", None).await);
    let response = call_with(&app, "/get", &[(HEADER, "dead"), ("cookie", &sid)]).await;
    assert_eq!(text(response).await, "Some(1)");
}

#[actix_web::test]
async fn the_session_is_found_among_several_cookies_of_the_name() {
    let (manager, _) = manager();
    let app = app!(sessions(&manager));
    let sid = cookie(&call(&app, "/set", None).await);
    let both = format!("sid=dead; sid=a b; {sid}");
    assert_eq!(text(call(&app, "/get", Some(&both)).await).await, "Some(1)");
    let response = call(&app, "/careless", Some(&both)).await;
    assert_eq!(lines(&response, "set-cookie"), [""; 0], "no third id");
    assert_eq!(text(call(&app, "/get", Some(&sid)).await).await, "Some(2)");
    assert_eq!(cookie(&call(&app, "/del", Some(&both)).await), "sid=");
    assert_eq!(text(call(&app, "/get", Some(&sid)).await).await, "None");
}

#[actix_web::test]
async fn the_header_tells_the_id_only_to_clients_that_send_it() {
    let (manager, _) = manager();
    let app = app!(with_header(&manager));
    let response = call(&app, "/set", None).await;
    assert_eq!(lines(&response, HEADER), [""; 0]);
    let sid = cookie(&response);
    let response = call(&app, "/renew", Some(&sid)).await;
    assert_eq!(lines(&response, HEADER), [""; 0]);
    let sid = cookie(&response);
    assert_eq!(lines(&call(&app, "/del", Some(&sid)).await, HEADER), [""; 0]);

    for value in ["", "malformed id", "unknown"] {
        let response = call_with(&app, "/set", &[(HEADER, value)]).await;
        assert_eq!(cookie(&response), format!("sid={}", told(&response)), "{value}");
    }
}

#[actix_web::test]
async fn a_header_client_is_told_when_its_session_ends() {
    let (manager, _) = manager();
    let app = app!(with_header(&manager));
    let id = told(&call_with(&app, "/set", &[(HEADER, "")]).await);
    assert_eq!(lines(&call_with(&app, "/get", &[(HEADER, &id)]).await, HEADER), [""; 0]);
    let response = call_with(&app, "/del", &[(HEADER, &id)]).await;
    assert_eq!(told(&response), "");
    assert_eq!(cookie(&response), "sid=");

    let app = app!(header_only(&manager));
    let id = told(&call(&app, "/set", None).await);
    let response = call_with(&app, "/del", &[(HEADER, &id)]).await;
    assert_eq!(told(&response), "");
    assert_eq!(lines(&response, "cache-control"), ["no-store"]);
}

#[actix_web::test]
async fn without_cookies_the_header_alone_carries_the_id() {
    let (manager, _) = manager();
    let app = app!(header_only(&manager));
    let response = call(&app, "/set", None).await;
    let id = told(&response);
    assert_eq!(lines(&response, "cache-control"), ["no-store"]);
    assert_eq!(lines(&response, "vary"), [HEADER]);
    let mut responses = vec![response];

    let sid = format!("__Host-id={id}; sid={id}");
    assert_eq!(text(call(&app, "/get", Some(&sid)).await).await, "None");
    let response = call_with(&app, "/renew", &[(HEADER, &id)]).await;
    let renewed = told(&response);
    responses.push(response);
    let response = call_with(&app, "/get", &[(HEADER, &renewed)]).await;
    assert_eq!(lines(&response, HEADER), [""; 0]);
    assert_eq!(lines(&response, "vary"), [HEADER]);
    assert_eq!(text(response).await, "Some(1)");
    responses.push(call_with(&app, "/del", &[(HEADER, &renewed)]).await);
    responses.push(call_with(&app, "/fails", &[(HEADER, "")]).await);
    for response in &responses {
        assert_eq!(lines(response, "set-cookie"), [""; 0]);
    }
}

#[actix_web::test]
async fn a_rolling_cookie_is_not_repeated_in_the_header() {
    let (_, probe) = manager();
    let app = async || {
        // A manager of its own has not sent the cookie yet.
        let manager = Manager::builder(probe.clone()).build().unwrap();
        let cookie = plain("sid").age(CookieAge::Rolling);
        let builder = SessionMiddleware::builder(manager).cookie(cookie).header(HEADER);
        app!(builder.build().unwrap())
    };
    let id = told(&call_with(&app().await, "/set", &[(HEADER, "")]).await);
    let response = call_with(&app().await, "/get", &[(HEADER, &id)]).await;
    assert_eq!(cookie(&response), format!("sid={id}"));
    assert_eq!(lines(&response, HEADER), [""; 0]);
    assert_eq!(lines(&response, "cache-control"), ["no-store"]);
}

#[actix_web::test]
async fn a_partitioned_cookie_is_sent_and_removed_in_its_partition() {
    let (manager, _) = manager();
    let cookie_config = CookieConfig::new().same_site(SameSite::None).partitioned(true);
    let builder = SessionMiddleware::builder(manager).cookie(cookie_config);
    let app = app!(builder.build().unwrap());
    let sent = call(&app, "/set", None).await;
    assert!(lines(&sent, "set-cookie")[0].ends_with("; Secure; Path=/; Partitioned"));
    let removed = call(&app, "/del", Some(&cookie(&sent))).await;
    let removal = lines(&removed, "set-cookie")[0];
    assert!(removal.contains("Max-Age=0") && removal.ends_with("; Partitioned"), "{removal}");
}

#[actix_web::test]
async fn no_cache_stores_a_response_that_carries_or_removes_an_id() {
    let (manager, _) = manager();
    let app = app!(sessions(&manager));
    let response = call(&app, "/public", None).await;
    assert_eq!(lines(&response, "cache-control"), ["no-store"], "the handler has set another");
    let sid = cookie(&response);
    let response = call(&app, "/public", Some(&sid)).await;
    assert_eq!(lines(&response, "cache-control"), ["public, max-age=60"], "it carries no id");
    let response = call(&app, "/del", Some(&sid)).await;
    assert_eq!(cookie(&response), "sid=");
    assert_eq!(lines(&response, "cache-control"), ["no-store"]);
}

#[actix_web::test]
async fn a_response_varies_by_what_carries_the_id_if_its_session_was_used() {
    let (manager, probe) = manager();
    let (app, both) = (app!(sessions(&manager)), app!(with_header(&manager)));
    let response = call(&app, "/set", None).await;
    assert_eq!(lines(&response, "vary"), ["Cookie"]);
    let sid = cookie(&response);
    for path in ["/get", "/set", "/renew"] {
        let app = app!(sessions(&manager));
        let sid = cookie(&call(&app, "/set", None).await);
        assert_eq!(lines(&call(&app, path, Some(&sid)).await, "vary"), ["Cookie"], "{path}");
    }
    let response = call(&both, "/get", Some(&sid)).await;
    assert_eq!(lines(&response, "vary"), ["Cookie", HEADER]);
    assert_eq!(lines(&call(&app, "/del", Some(&sid)).await, "vary"), ["Cookie"]);
    for cookie in [None, Some("sid=dead")] {
        let response = call(&app, "/get", cookie).await;
        assert_eq!(lines(&response, "vary"), ["Cookie"], "there is no session");
    }

    probe.asked();
    for path in ["/idle", "/nowhere"] {
        for cookie in [None, Some(&*sid)] {
            let response = call(&both, path, cookie).await;
            for name in [VARY, CACHE_CONTROL, SET_COOKIE] {
                assert!(!response.headers().contains_key(&name), "{path}: {name}");
            }
        }
    }
    assert!(probe.asked().is_empty());
}

#[actix_web::test]
async fn g12_the_id_is_not_shown_when_a_response_is_formatted() {
    let (manager, _) = manager();
    let app = app!(with_header(&manager));
    let response = call_with(&app, "/set", &[(HEADER, "")]).await;
    let id = told(&response);
    let shown = format!("{:?}", response.headers());
    assert!(shown.contains(HEADER) && !shown.contains(&id), "{shown}");
}

#[actix_web::test]
async fn the_default_cookie_is_the_strictest_form() {
    let (manager, _) = manager();
    let app = app!(SessionMiddleware::builder(manager).build().unwrap());
    let response = call(&app, "/set", None).await;
    let (pair, attributes) = lines(&response, "set-cookie")[0].split_once("; ").unwrap();
    let id = pair.strip_prefix("__Host-id=").expect("the default name");
    assert!(SessionId::parse(id).is_ok());
    assert_eq!(attributes, "HttpOnly; SameSite=Lax; Secure; Path=/");
}

#[actix_web::test]
async fn a_cookie_too_long_for_browsers_is_refused() {
    let build = |length: usize| {
        let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
        SessionMiddleware::builder(manager).cookie(plain(&"n".repeat(length))).build()
    };
    // Browsers keep 4096 bytes of name and value; an id has at most 128.
    assert!(build(3_000).is_ok());
    let problem = build(4096 - 128 + 1).expect_err("refused").to_string();
    assert!(problem.contains("cookie name"), "{problem}");
}

#[actix_web::test]
async fn a_middleware_that_cannot_work_is_refused() {
    let builder =
        || SessionMiddleware::builder(Manager::builder(MemoryStorage::new()).build().unwrap());
    let refused = |build: session_actix::Result<SessionMiddleware>, words: &[&str]| {
        let problem = build.expect_err("refused").to_string();
        for word in words {
            assert!(problem.contains(word), "{word:?} is not in {problem:?}");
        }
    };
    refused(builder().header_only("x-a").cookie(plain("sid")).build(), &["x-a", "cookie"]);
    refused(builder().header("x-b").header_only("x-a").build(), &["x-a", "header"]);
    for name in ["", "a b", "é"] {
        refused(builder().header(name).build(), &[name, "header"]);
        refused(builder().header_only(name).build(), &[name, "header"]);
    }
    for name in ["Cookie", "set-cookie", "VARY", "cache-control"] {
        refused(builder().header(name).build(), &[name, "another purpose"]);
        refused(builder().header_only(name).build(), &[name, "another purpose"]);
    }
    let partitioned = plain("sid").partitioned(true);
    refused(builder().cookie(partitioned).build(), &["cookie partitioned", "secure"]);
    // The touch interval is 10 s.
    let age = |seconds| {
        let cookie = plain("sid").age(CookieAge::Fixed(Duration::from_secs(seconds)));
        builder().cookie(cookie).build()
    };
    refused(age(19), &["19s", "10s", "twice"]);
    assert!(age(20).is_ok());
}
