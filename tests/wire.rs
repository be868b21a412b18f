//! What one request costs where it crosses the wire to Redis.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{
    thread,
    time::{Duration, Instant},
};

use demo::{client::Client, server::Server, store::Store};
use support::proxy::Proxy;

/// A server with a proxy before its Redis, and a browser with a session that has been used.
struct Bench {
    proxy: Proxy,
    server: Server,
    browser: Client,
    _store: Store,
}

impl Bench {
    fn new(store: Store) -> Self {
        let proxy = Proxy::before(store.redis().port());
        let url = proxy.url();
        // One worker, hence one connection, and no time to live due while the test looks.
        let server = store.serve(&[
            ("DEMO__REDIS__URL", &url),
            ("DEMO__SERVER__WORKERS", "1"),
            ("DEMO__SESSION__MAX_AGE", "1h"),
            ("DEMO__SESSION__TOUCH_INTERVAL", "5m"),
        ]);
        let mut browser = server.client();
        browser.expect("/set?a=1&b=2");
        browser.expect("/get");
        browser.expect("/set?a=1");
        let bench = Self { proxy, server, browser, _store: store };
        bench.wait_for_silence();
        bench
    }

    fn key_value() -> Self {
        Self::new(Store::key_value())
    }

    fn hash_table() -> Self {
        Self::new(Store::hash_table())
    }

    /// What the first use sets off in the background comes to its end.
    fn wait_for_silence(&self) {
        let (mut seen, mut since) = (0, Instant::now());
        while since.elapsed() < Duration::from_millis(300) {
            let count = self.proxy.commands().len();
            if count != seen {
                (seen, since) = (count, Instant::now());
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks and returns which commands that took, and in how many round trips.
    fn cost(&mut self, path: &str) -> (Vec<String>, usize) {
        self.proxy.reset();
        self.browser.expect(path);
        self.wait_for_silence();
        (self.proxy.commands(), self.proxy.round_trips())
    }
}

#[test]
fn a_request_that_does_not_use_its_session_costs_nothing() {
    for mut bench in [Bench::key_value(), Bench::hash_table()] {
        for path in ["/", "/healthz"] {
            assert_eq!(bench.cost(path), (vec![], 0), "{path}");
        }
    }
}

#[test]
fn a_request_without_a_session_reads_for_nothing() {
    for mut bench in [Bench::key_value(), Bench::hash_table()] {
        bench.browser = bench.server.client();
        assert_eq!(bench.cost("/get"), (vec![], 0));
        assert_eq!(bench.cost("/del"), (vec![], 0));
    }
}

#[test]
fn reading_a_session_is_one_command() {
    assert_eq!(Bench::key_value().cost("/get"), (vec!["GET".to_owned()], 1));
    assert_eq!(Bench::hash_table().cost("/get"), (vec!["HGETALL".to_owned()], 1));
}

#[test]
fn reading_one_item_of_a_hash_fetches_only_that() {
    assert_eq!(Bench::hash_table().cost("/get?key=a"), (vec!["HGET".to_owned()], 1));
}

#[test]
fn writing_to_a_session_is_one_command_in_a_hash_and_at_most_two_in_a_string() {
    for path in ["/set?a=2", "/set?a=3&b=4&c=5", "/del?key=a"] {
        let (commands, trips) = Bench::hash_table().cost(path);
        assert_eq!((commands.len(), trips), (1, 1), "{path}: {commands:?}");
        let (commands, trips) = Bench::key_value().cost(path);
        assert!(commands.len() <= 2 && trips <= 2, "{path}: {commands:?}");
    }
}

#[test]
fn no_request_brings_a_ping_an_unwatch_or_a_connection() {
    for mut bench in [Bench::key_value(), Bench::hash_table()] {
        for path in ["/get", "/set?x=1", "/del?key=x", "/get?key=a", "/del"] {
            let (commands, _) = bench.cost(path);
            let idle = ["PING", "UNWATCH", "WATCH", "HELLO", "AUTH", "SELECT", "CLIENT"];
            let found = commands.iter().find(|command| idle.contains(&command.as_str()));
            assert_eq!(found, None, "{path}: {commands:?}");
        }
    }
}
