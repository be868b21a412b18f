//! Stores that are down or hanging, and connections that are cut off.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::time::{Duration, Instant};

use demo::{client::Answer, server::eventually, store::Store};
use support::proxy::{Harm, Proxy};

/// A well-formed id, so that the server has to ask the store.
const ID: &str = "somebodysomebodysomebodysomebody";

#[test]
fn g8_with_redis_down_the_server_starts_answers_503_and_recovers_by_itself() {
    for mut store in [Store::key_value(), Store::hash_table()] {
        store.redis_mut().kill();
        let server = store.serve(&[]);
        let mut browser = server.client();
        eventually("a hint in the log", || server.log().contains("scripts/redis"));
        for path in ["/set", "/set?a=1"] {
            refused(&browser.get(path));
        }
        for path in ["/get", "/del", "/get?key=a"] {
            refused(&browser.with_id(ID).get(path));
        }
        assert_eq!(browser.get("/readyz").status, 503);
        assert_eq!(browser.get_ok("/healthz"), "ok");
        assert!(browser.with_id(ID).get_ok("/").contains("<h1>"));
        assert_eq!(browser.get_ok("/get"), "{}", "without an id the store is not needed");

        store.redis_mut().restart();
        let restarted = Instant::now();
        eventually("a successful request", || browser.get("/set?a=1").status == 200);
        assert!(restarted.elapsed() < Duration::from_secs(1), "{:?}", restarted.elapsed());
        assert_eq!(browser.get_ok("/readyz"), "ok");
    }
}

#[test]
fn g8_with_redis_hung_every_request_is_answered_in_time() {
    for store in [Store::key_value(), Store::hash_table()] {
        let server = store.serve(&[("DEMO__REDIS__RESPONSE_TIMEOUT", "300ms")]);
        let mut browser = server.client();
        browser.get_ok("/set?a=1");
        browser.get_ok("/get");
        store.redis().pause();
        for path in ["/get", "/set?b=1", "/del", "/get"] {
            let requested = Instant::now();
            refused(&browser.get(path));
            assert!(
                requested.elapsed() < Duration::from_millis(900),
                "{path}: {:?}",
                requested.elapsed()
            );
            let requested = Instant::now();
            browser.get_ok("/healthz");
            browser.get_ok("/");
            assert!(requested.elapsed() < Duration::from_millis(300), "{:?}", requested.elapsed());
        }
        store.redis().resume();
        eventually("a successful request", || browser.get("/get").status == 200);
    }
}

#[test]
fn g7_a_write_whose_answer_is_cut_short_is_not_acknowledged() {
    let store = Store::hash_table();
    let proxy = Proxy::before(store.redis().port());
    let url = proxy.url();
    let server = store.serve(&[("DEMO__REDIS__URL", &url), ("DEMO__SERVER__WORKERS", "1")]);
    let mut browser = server.client();
    // The first write includes the time to live, so no separate write of it can take the fault.
    browser.get_ok("/set?a=1");
    // Nor can what the server asks at its start.
    proxy.wait_until_idle();
    proxy.harm(Harm::Truncate(1));
    refused(&browser.get("/set?b=2"));
    eventually("a successful request", || browser.get("/get").status == 200);
}

#[test]
fn g8_a_full_memory_refuses_new_sessions_and_keeps_those_it_has() {
    let bounds = [
        ("DEMO__MEMORY__MAX_SESSIONS", "2"),
        ("DEMO__MEMORY__MAX_BYTES", "2KiB"),
        ("RUST_LOG", "info"),
    ];
    let server = Store::Memory.serve(&bounds);
    let mut browsers = [server.client(), server.client()];
    for browser in &mut browsers {
        browser.get_ok("/set?a=1");
    }
    for _ in 0..10 {
        refused(&server.client().get("/set?a=1"));
        refused(&browsers[0].clone().get(&format!("/set?b={}", "x".repeat(2000))));
    }
    for browser in &mut browsers {
        assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#);
        browser.get_ok("/set?a=2");
    }
    for bound in ["max_sessions is 2", "max_bytes is 2048"] {
        let line = format!("memory storage is full: {bound}");
        assert_eq!(server.log().matches(&line).count(), 1, "{}", server.log());
    }
    browsers[0].get_ok("/del");
    server.client().get_ok("/set?a=1");
}

fn refused(answer: &Answer) {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.retry_after.is_some(), "{answer:?}");
    assert_eq!(answer.set_cookie, None, "{answer:?}");
    let body = answer.body.to_lowercase();
    for internal in ["redis", "127.0.0.1", "timeout", "error", "get ", "::"] {
        assert!(!body.contains(internal), "{body}");
    }
}
