//! Stores that are down, hung or cut off.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::time::{Duration, Instant};

use demo::{client::Answer, server::eventually, store::Store};
use support::proxy::{Harm, Proxy};

/// A well-formed id, for requests that have to ask the store.
const ID: &str = "somebodysomebodysomebodysomebody";

#[test]
fn g8_with_redis_down_the_server_starts_answers_503_and_recovers_by_itself() {
    for mut store in [Store::key_value(), Store::hash_table()] {
        store.redis_mut().kill();
        let server = store.serve(&[]);
        let mut browser = server.client();
        eventually("the log says what to do", || server.log().contains("scripts/redis"));
        for path in ["/set", "/set?a=1"] {
            refused(&browser.ask(path));
        }
        for path in ["/get", "/del", "/get?key=a"] {
            refused(&browser.claiming(ID).ask(path));
        }
        assert_eq!(browser.ask("/readyz").status, 503);
        assert_eq!(browser.expect("/healthz"), "ok");
        assert!(browser.claiming(ID).expect("/").contains("<h1>"));
        assert_eq!(browser.expect("/get"), "{}", "it needs no store: there is no id");

        store.redis_mut().restart();
        let back = Instant::now();
        eventually("it is served again", || browser.ask("/set?a=1").status == 200);
        assert!(back.elapsed() < Duration::from_secs(1), "{:?}", back.elapsed());
        assert_eq!(browser.expect("/readyz"), "ok");
    }
}

#[test]
fn g8_with_redis_hung_every_request_is_answered_in_time() {
    for store in [Store::key_value(), Store::hash_table()] {
        let server = store.serve(&[("DEMO__REDIS__RESPONSE_TIMEOUT", "300ms")]);
        let mut browser = server.client();
        browser.expect("/set?a=1");
        browser.expect("/get");
        store.redis().pause();
        for path in ["/get", "/set?b=1", "/del", "/get"] {
            let asked = Instant::now();
            refused(&browser.ask(path));
            assert!(asked.elapsed() < Duration::from_millis(900), "{path}: {:?}", asked.elapsed());
            let asked = Instant::now();
            browser.expect("/healthz");
            browser.expect("/");
            assert!(asked.elapsed() < Duration::from_millis(300), "{:?}", asked.elapsed());
        }
        store.redis().resume();
        eventually("it is served again", || browser.ask("/get").status == 200);
    }
}

#[test]
fn g7_a_write_whose_answer_is_cut_short_is_not_acknowledged() {
    let store = Store::hash_table();
    let proxy = Proxy::before(store.redis().port());
    let url = proxy.url();
    let server = store.serve(&[("DEMO__REDIS__URL", &url), ("DEMO__SERVER__WORKERS", "1")]);
    let mut browser = server.client();
    // Creating it wrote its time to live too, so none is due that could be cut short instead.
    browser.expect("/set?a=1");
    proxy.harm(Harm::Truncate(1));
    refused(&browser.ask("/set?b=2"));
    eventually("it is served again", || browser.ask("/get").status == 200);
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
