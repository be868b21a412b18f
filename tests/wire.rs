//! What one request costs where it crosses the wire to Redis.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::time::{Duration, Instant};

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
        Self::with(store, &[])
    }

    fn with(store: Store, more: &[(&str, &str)]) -> Self {
        let proxy = Proxy::before(store.redis().port());
        let url = proxy.url();
        // One worker, hence one connection, and no time to live due while the test looks.
        let usual = [
            ("DEMO__REDIS__URL", url.as_str()),
            ("DEMO__SERVER__WORKERS", "1"),
            ("DEMO__SESSION__MAX_AGE", "1h"),
            ("DEMO__SESSION__TOUCH_INTERVAL", "5m"),
        ];
        let server = store.serve(&[&usual, more].concat());
        let mut browser = server.client();
        browser.expect("/set?a=1&b=2");
        browser.expect("/get");
        browser.expect("/set?a=1");
        let bench = Self { proxy, server, browser, _store: store };
        bench.proxy.wait_for_silence();
        bench
    }

    fn key_value() -> Self {
        Self::new(Store::key_value())
    }

    fn hash_table() -> Self {
        Self::new(Store::hash_table())
    }

    fn near() -> Self {
        Self::with(Store::key_value(), &[("DEMO__REDIS__NEAR_CACHE", "16MiB")])
    }

    /// Asks and returns which commands that took, and in how many round trips.
    fn cost(&mut self, path: &str) -> (Vec<String>, usize) {
        self.proxy.reset();
        self.browser.expect(path);
        self.proxy.wait_for_silence();
        (self.proxy.commands(), self.proxy.round_trips())
    }
}

#[test]
fn a_request_that_does_not_use_its_session_costs_nothing() {
    for mut bench in [Bench::key_value(), Bench::near(), Bench::hash_table()] {
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
fn writing_to_a_session_is_one_command_in_a_hash_and_two_in_a_string() {
    for path in ["/set?a=2", "/set?a=3&b=4&c=5", "/del?key=a"] {
        assert_eq!(Bench::hash_table().cost(path), (vec!["EVALSHA".to_owned()], 1), "{path}");
        let two = vec!["GET".to_owned(), "EVALSHA".to_owned()];
        assert_eq!(Bench::key_value().cost(path), (two, 2), "{path}");
    }
}

#[test]
fn with_a_warm_near_cache_reading_is_no_command_and_writing_one() {
    let mut bench = Bench::near();
    for value in 1..4 {
        // A session kept near is read again after a second, and counting takes its time.
        for path in ["/get", "/get?key=a"] {
            bench.browser.expect("/get");
            assert_eq!(bench.cost(path), (vec![], 0), "{path}");
        }
        bench.browser.expect("/get");
        let one = vec!["EVALSHA".to_owned()];
        assert_eq!(bench.cost(&format!("/set?a={value}")), (one, 1));
        assert_eq!(bench.browser.expect("/get?key=a"), value.to_string());
    }
}

#[test]
fn beginning_and_ending_a_session_is_one_command() {
    for (mut bench, begin) in
        [(Bench::key_value(), "SET"), (Bench::near(), "SET"), (Bench::hash_table(), "EVALSHA")]
    {
        // The first session has made the server know the scripts of all but the end.
        bench.browser.expect("/del");
        bench.browser = bench.server.client();
        assert_eq!(bench.cost("/set?a=1"), (vec![begin.to_owned()], 1));
        assert_eq!(bench.cost("/del"), (vec!["EVALSHA".to_owned()], 1));
    }
}

#[test]
fn a_session_that_is_used_all_the_time_is_extended_once_an_interval() {
    for store in [Store::key_value(), Store::hash_table()] {
        let interval = [("DEMO__SESSION__TOUCH_INTERVAL", "1s")];
        let mut bench = Bench::with(store, &interval);
        bench.proxy.reset();
        let (begin, mut reads) = (Instant::now(), 0);
        while begin.elapsed() < Duration::from_millis(3500) {
            bench.browser.expect("/get");
            reads += 1;
        }
        let elapsed = begin.elapsed().as_secs() as usize;
        let commands = bench.proxy.commands();
        let extensions = commands.iter().filter(|&command| command == "EVALSHA").count();
        assert!((1..=elapsed + 1).contains(&extensions), "{extensions} in {elapsed} s");
        assert_eq!(commands.len(), reads + extensions);
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
