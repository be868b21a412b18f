//! The commands and round trips to Redis that one request costs.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::time::{Duration, Instant};

use demo::{client::Client, server::Server, store::Store};
use support::proxy::Proxy;

/// A server that reaches Redis through a proxy, and a client with a session in use.
struct Bench {
    proxy: Proxy,
    server: Server,
    browser: Client,
    _store: Store,
}

impl Bench {
    fn new(store: Store) -> Self {
        Self::with_settings(store, &[])
    }

    fn with_settings(store: Store, more: &[(&str, &str)]) -> Self {
        let proxy = Proxy::before(store.redis().port());
        let url = proxy.url();
        // One worker, hence one connection; and no write of a time to live while the test counts.
        let usual = [
            ("DEMO__REDIS__URL", url.as_str()),
            ("DEMO__SERVER__WORKERS", "1"),
            ("DEMO__SESSION__MAX_AGE", "1h"),
            ("DEMO__SESSION__TOUCH_INTERVAL", "5m"),
        ];
        let server = store.serve(&[&usual, more].concat());
        let mut browser = server.client();
        browser.get_ok("/set?a=1&b=2");
        browser.get_ok("/get");
        browser.get_ok("/set?a=1");
        let bench = Self { proxy, server, browser, _store: store };
        bench.proxy.wait_until_idle();
        bench
    }

    fn key_value() -> Self {
        Self::new(Store::key_value())
    }

    fn hash_table() -> Self {
        Self::new(Store::hash_table())
    }

    fn near_cache() -> Self {
        Self::with_settings(Store::key_value(), &[("DEMO__REDIS__NEAR_CACHE", "16MiB")])
    }

    /// Requests a path. Returns the commands to Redis and the number of round trips.
    fn cost(&mut self, path: &str) -> (Vec<String>, usize) {
        self.proxy.reset();
        self.browser.get_ok(path);
        self.proxy.wait_until_idle();
        (self.proxy.commands(), self.proxy.round_trips())
    }
}

#[test]
fn a_request_that_does_not_use_its_session_sends_no_command() {
    for mut bench in [Bench::key_value(), Bench::near_cache(), Bench::hash_table()] {
        for path in ["/", "/healthz"] {
            assert_eq!(bench.cost(path), (vec![], 0), "{path}");
        }
    }
}

#[test]
fn reading_or_ending_without_a_session_sends_no_command() {
    for mut bench in [Bench::key_value(), Bench::hash_table()] {
        bench.browser = bench.server.client();
        assert_eq!(bench.cost("/get"), (vec![], 0));
        assert_eq!(bench.cost("/del"), (vec![], 0));
    }
}

#[test]
fn reading_a_session_takes_one_command() {
    assert_eq!(Bench::key_value().cost("/get"), (vec!["GET".to_owned()], 1));
    assert_eq!(Bench::hash_table().cost("/get"), (vec!["HGETALL".to_owned()], 1));
}

#[test]
fn reading_one_item_of_a_hash_fetches_only_that_field() {
    assert_eq!(Bench::hash_table().cost("/get?key=a"), (vec!["HGET".to_owned()], 1));
}

/// In a string two, if another process has written the session last.
#[test]
fn writing_to_a_session_takes_one_command() {
    for path in ["/set?a=2", "/set?a=3&b=4&c=5", "/del?key=a"] {
        for mut bench in [Bench::hash_table(), Bench::key_value()] {
            assert_eq!(bench.cost(path), (vec!["EVALSHA".to_owned()], 1), "{path}");
        }
    }
}

/// An id that is a hash and items that are encrypted cost no round trip.
#[test]
fn reading_and_writing_take_as_many_commands_with_hashed_ids_and_encrypted_items() {
    let settings = [
        ("DEMO__SESSION__HASH_IDS", "true"),
        ("DEMO__SESSION__ENCRYPTION_KEYS", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
    ];
    let near = [&settings[..], &[("DEMO__REDIS__NEAR_CACHE", "16MiB")]].concat();
    let paths = ["/get", "/get?key=a", "/set?a=2", "/set?a=3&b=4&c=5", "/del?key=a", "/count"];
    for path in paths {
        let cost = |mut bench: Bench| {
            bench.browser.get_ok("/count");
            bench.cost(path)
        };
        let plain = [Bench::key_value(), Bench::hash_table()].map(cost);
        let stores = [Store::key_value(), Store::hash_table()];
        let both = stores.map(|store| cost(Bench::with_settings(store, &settings)));
        assert_eq!(both, plain, "{path}");
        let mut bench = Bench::with_settings(Store::key_value(), &near);
        bench.browser.get_ok("/get");
        let expected = usize::from(!path.starts_with("/get"));
        assert_eq!(bench.cost(path).1, expected, "{path} with a near cache");
    }
}

#[test]
fn with_a_warm_near_cache_reading_takes_no_command_and_writing_takes_one() {
    let mut bench = Bench::near_cache();
    for value in 1..4 {
        // A cache entry expires after a second, and counting takes a while, so each request is
        // preceded by one that fills the cache.
        for path in ["/get", "/get?key=a"] {
            bench.browser.get_ok("/get");
            assert_eq!(bench.cost(path), (vec![], 0), "{path}");
        }
        bench.browser.get_ok("/get");
        let one = vec!["EVALSHA".to_owned()];
        assert_eq!(bench.cost(&format!("/set?a={value}")), (one, 1));
        assert_eq!(bench.browser.get_ok("/get?key=a"), value.to_string());
    }
}

#[test]
fn creating_or_ending_a_session_takes_one_command() {
    for (mut bench, create) in [
        (Bench::key_value(), "SET"),
        (Bench::near_cache(), "SET"),
        (Bench::hash_table(), "EVALSHA"),
    ] {
        // The first session has loaded all scripts but the one that ends a session.
        bench.browser.get_ok("/del");
        bench.browser = bench.server.client();
        assert_eq!(bench.cost("/set?a=1"), (vec![create.to_owned()], 1));
        assert_eq!(bench.cost("/del"), (vec!["EVALSHA".to_owned()], 1));
    }
}

#[test]
fn a_session_in_constant_use_is_extended_once_per_interval() {
    for store in [Store::key_value(), Store::hash_table()] {
        let interval = [("DEMO__SESSION__TOUCH_INTERVAL", "1s")];
        let mut bench = Bench::with_settings(store, &interval);
        bench.proxy.reset();
        let (begin, mut reads) = (Instant::now(), 0);
        while begin.elapsed() < Duration::from_millis(3500) {
            bench.browser.get_ok("/get");
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
fn no_request_sends_a_ping_or_unwatch_or_opens_a_connection() {
    for mut bench in [Bench::key_value(), Bench::hash_table()] {
        for path in ["/get", "/set?x=1", "/del?key=x", "/get?key=a", "/del"] {
            let (commands, _) = bench.cost(path);
            let overhead = ["PING", "UNWATCH", "WATCH", "HELLO", "AUTH", "SELECT", "CLIENT"];
            let found = commands.iter().find(|command| overhead.contains(&command.as_str()));
            assert_eq!(found, None, "{path}: {commands:?}");
        }
    }
}
