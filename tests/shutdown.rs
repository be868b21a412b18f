//! The shutdown of the server.

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

/// Starts a request to `/set` with a fault in the answers of Redis. Returns once Redis has
/// received its command.
fn start_slow_request(server: &Server, proxy: &Proxy, harm: Harm) -> Request {
    let mut browser = server.client();
    browser.get_ok("/healthz");
    proxy.wait_until_idle();
    proxy.harm(harm);
    proxy.reset();
    let request = thread::spawn(move || browser.try_get("/set?a=1"));
    eventually("a command to Redis", || !proxy.commands().is_empty());
    request
}

#[test]
fn sigterm_and_ctrl_c_let_requests_in_flight_finish() {
    for signal in ["TERM", "INT"] {
        let store = Store::key_value();
        let proxy = Proxy::before(store.redis().port());
        let url = proxy.url();
        // One worker, whose connection to Redis the first request opens.
        let mut server = store.serve(&[("DEMO__REDIS__URL", &url), ("DEMO__SERVER__WORKERS", "1")]);
        server.client().get_ok("/set?warm=1");
        let request = start_slow_request(&server, &proxy, Harm::Delay(Duration::from_millis(400)));
        server.signal(signal);
        let answer = request.join().unwrap().expect("a response");
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
        assert_eq!(server.wait().code(), Some(0));
        assert!(!store.redis().cli(&["KEYS", "*"]).is_empty(), "the session is stored");
    }
}

#[test]
fn a_second_ctrl_c_stops_the_server_at_once() {
    let store = Store::key_value();
    let proxy = Proxy::before(store.redis().port());
    let url = proxy.url();
    let settings = [("DEMO__REDIS__URL", url.as_str()), ("DEMO__REDIS__RESPONSE_TIMEOUT", "30s")];
    let mut server = store.serve(&settings);
    server.client().get_ok("/set?warm=1");
    let request = start_slow_request(&server, &proxy, Harm::Swallow);
    server.signal("INT");
    eventually("the first signal", || server.log().contains("stopping"));
    assert!(server.is_running());
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(130));
    assert!(request.join().unwrap().is_err());
}

#[test]
fn g9_delayed_ttl_writes_are_flushed_at_shutdown() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let settings =
            [("DEMO__SESSION__MAX_AGE", "100s"), ("DEMO__SESSION__TOUCH_INTERVAL", "10s")];
        let mut server = store.serve(&settings);
        let mut browser = server.client();
        browser.get_ok("/set?a=1");
        let id = browser.id.clone().expect("a cookie");
        thread::sleep(Duration::from_millis(1500));
        browser.get_ok("/get");
        let before = store.ttl_millis(&id);
        assert!(before <= 98_500, "the extension is not written yet: {before}");
        server.terminate();
        let after = store.ttl_millis(&id);
        assert!((98_501..=100_000).contains(&after), "the extension is written: {after}");
    }
}

#[test]
fn the_server_shuts_down_cleanly_while_its_store_hangs() {
    let store = Store::key_value();
    let mut server = store.serve(&[]);
    server.client().get_ok("/set?a=1");
    store.redis().pause();
    server.terminate();
    store.redis().resume();
}
