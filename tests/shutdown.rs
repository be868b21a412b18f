//! How the server ends.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{thread, time::Duration};

use demo::{
    client::Answer,
    server::{Server, eventually},
    store::Store,
};
use support::proxy::{Harm, Proxy};

type Request = thread::JoinHandle<Result<Answer, ureq::Error>>;

/// Starts `/set` while harm is done to Redis's answers, and returns once it is under way.
fn a_slow_request(server: &Server, proxy: &Proxy, harm: Harm) -> Request {
    let mut browser = server.client();
    browser.expect("/healthz");
    proxy.wait_for_silence();
    proxy.harm(harm);
    proxy.reset();
    let request = thread::spawn(move || browser.try_ask("/set?a=1"));
    eventually("Redis is asked", || !proxy.commands().is_empty());
    request
}

#[test]
fn sigterm_and_ctrl_c_let_the_request_under_way_finish() {
    for signal in ["TERM", "INT"] {
        let store = Store::key_value();
        let proxy = Proxy::before(store.redis().port());
        let url = proxy.url();
        // One worker, so that its connection is warm.
        let mut server = store.serve(&[("DEMO__REDIS__URL", &url), ("DEMO__SERVER__WORKERS", "1")]);
        server.client().expect("/set?warm=1");
        let request = a_slow_request(&server, &proxy, Harm::Delay(Duration::from_millis(400)));
        server.signal(signal);
        let answer = request.join().unwrap().expect("it is answered");
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
        assert_eq!(server.wait().code(), Some(0));
        assert!(!store.redis().cli(&["KEYS", "*"]).is_empty(), "and stored");
    }
}

#[test]
fn a_second_ctrl_c_ends_the_server_at_once() {
    let store = Store::key_value();
    let proxy = Proxy::before(store.redis().port());
    let url = proxy.url();
    let settings = [("DEMO__REDIS__URL", url.as_str()), ("DEMO__REDIS__RESPONSE_TIMEOUT", "30s")];
    let mut server = store.serve(&settings);
    server.client().expect("/set?warm=1");
    let request = a_slow_request(&server, &proxy, Harm::Swallow);
    server.signal("INT");
    eventually("the first is heard", || server.log().contains("stopping"));
    assert!(server.is_running());
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(130));
    assert!(request.join().unwrap().is_err());
}

#[test]
fn g9_the_times_to_live_that_are_owed_are_written_at_the_end() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let settings =
            [("DEMO__SESSION__MAX_AGE", "100s"), ("DEMO__SESSION__TOUCH_INTERVAL", "10s")];
        let mut server = store.serve(&settings);
        let mut browser = server.client();
        browser.expect("/set?a=1");
        let id = browser.id.clone().expect("a cookie");
        thread::sleep(Duration::from_millis(1500));
        browser.expect("/get");
        let owed = store.milliseconds_left(&id);
        assert!(owed <= 98_500, "the use is not written yet: {owed}");
        server.terminate();
        let paid = store.milliseconds_left(&id);
        assert!((98_501..=100_000).contains(&paid), "the use is written: {paid}");
    }
}

#[test]
fn the_server_ends_in_order_with_its_store_down() {
    let store = Store::key_value();
    let mut server = store.serve(&[]);
    server.client().expect("/set?a=1");
    store.redis().pause();
    server.terminate();
    store.redis().resume();
}
