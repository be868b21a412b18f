//! Lifetimes and renewal by itself, on several servers that share a store.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{
    collections::BTreeSet,
    mem,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use demo::{client::Client, server::Server, store::Store};
use support::cluster::RedisCluster;

/// Much shorter than sensible, so that the tests see renewals.
const RENEWS: [(&str, &str); 4] = [
    ("DEMO__SESSION__RENEW_AFTER", "2s"),
    ("DEMO__SESSION__GRACE", "1900ms"),
    // The machine may be busy.
    ("DEMO__SESSION__MAX_AGE", "1m"),
    ("DEMO__REDIS__RESPONSE_TIMEOUT", "20s"),
];
const CLIENTS: usize = 12;
/// How long clients use a session, at least. They go on until each has met a renewal.
const DURATION: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn g14_renewals_lose_no_request_in_memory() {
    let server = Store::Memory.serve(&RENEWS);
    renewals_lose_nothing(&[server]);
}

#[test]
fn g14_renewals_lose_no_request_of_two_servers_on_files() {
    let store = Store::file();
    renewals_lose_nothing(&[store.serve(&RENEWS), store.serve(&RENEWS)]);
}

#[test]
fn g14_renewals_lose_no_request_of_two_servers_on_redis_strings() {
    let store = Store::key_value();
    renewals_lose_nothing(&[store.serve(&RENEWS), store.serve(&RENEWS)]);
}

#[test]
fn g14_renewals_lose_no_request_of_two_servers_on_redis_hashes() {
    let store = Store::hash_table();
    renewals_lose_nothing(&[store.serve(&RENEWS), store.serve(&RENEWS)]);
}

#[test]
fn g14_renewals_lose_no_request_in_a_cluster() {
    let nodes = RedisCluster::start();
    for backend in ["redis-key-value", "redis-hash-table"] {
        let address = format!("127.0.0.1:{}", nodes.nodes[0].port());
        let place = [("DEMO__SESSION__BACKEND", backend), ("DEMO__REDIS__CLUSTER", &*address)];
        let settings = [&place[..], &RENEWS].concat();
        let servers = [(); 2].map(|()| Server::start(&settings));
        renewals_lose_nothing(&servers);
    }
}

/// Lets clients of one session count together while its id is renewed again and again. Each keeps a
/// cookie of its own, as tabs would if they shared none.
fn renewals_lose_nothing(servers: &[Server]) {
    let mut browser = servers[0].client();
    assert_eq!(browser.get_ok("/count"), "1");
    let goes_on = GoesOn::until_renewed(CLIENTS);
    let counted = thread::scope(|scope| {
        let goes_on = &goes_on;
        let clients = (0..CLIENTS).map(|number| {
            let mut client = browser.at(servers[number % servers.len()].port());
            scope.spawn(move || {
                let (mut counts, first) = (0, client.id.clone());
                let mut has_met = false;
                while goes_on.test() {
                    client.get_ok("/count");
                    client.get_ok(&format!("/set?client{number}={counts}"));
                    counts += 1;
                    goes_on.note(client.id != first, &mut has_met);
                    thread::sleep(Duration::from_millis(20));
                }
                (counts, client)
            })
        });
        let clients: Vec<_> = clients.collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect::<Vec<_>>()
    });
    let total: usize = 1 + counted.iter().map(|(counts, _)| counts).sum::<usize>();
    let mut ids = BTreeSet::new();
    for (_, mut client) in counted {
        assert_eq!(client.get_ok("/get?key=count"), total.to_string(), "no increment is lost");
        ids.insert(client.id);
    }
    // One more renewal may have happened meanwhile.
    assert!(ids.len() <= 2, "all end with the same id: {}", ids.len());
}

/// Whether the clients of a session go on: until some time has passed and each has met a renewal.
/// They end together, since an id that is not used may end with its grace.
struct GoesOn {
    began: Instant,
    waiting: AtomicUsize,
}

impl GoesOn {
    fn until_renewed(clients: usize) -> Self {
        Self { began: Instant::now(), waiting: AtomicUsize::new(clients) }
    }

    fn test(&self) -> bool {
        let (elapsed, waiting) = (self.began.elapsed(), self.waiting.load(Ordering::Relaxed));
        assert!(elapsed < PATIENCE, "not renewed for {waiting} clients");
        elapsed < DURATION || waiting > 0
    }

    fn note(&self, is_renewed: bool, has_met: &mut bool) {
        if is_renewed && !mem::replace(has_met, true) {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn g14_servers_killed_while_they_renew_ids_by_themselves_lose_nothing() {
    // Long enough for a client that meets killed servers several times.
    let settings = [
        ("DEMO__SESSION__RENEW_AFTER", "3s"),
        ("DEMO__SESSION__GRACE", "2900ms"),
        ("DEMO__SESSION__MAX_AGE", "1m"),
        ("DEMO__REDIS__RESPONSE_TIMEOUT", "20s"),
    ];
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let mut servers = [(); 3].map(|()| store.serve(&settings));
        let ports = servers.each_ref().map(Server::port);
        let mut browser = servers[0].client();
        assert_eq!(browser.get_ok("/count"), "1");
        let goes_on = GoesOn::until_renewed(6);
        let tabs = thread::scope(|scope| {
            let goes_on = &goes_on;
            let tabs = (0..6).map(|number| {
                let tab = Tab::of(&browser, &ports);
                scope.spawn(move || tab.count(goes_on, number))
            });
            let tabs: Vec<_> = tabs.collect();
            let mut rng = fastrand::Rng::new();
            while goes_on.test() {
                thread::sleep(Duration::from_millis(rng.u64(50..250)));
                let server = &mut servers[rng.usize(..3)];
                server.kill();
                server.restart();
            }
            tabs.into_iter().map(|tab| tab.join().unwrap()).collect::<Vec<_>>()
        });
        let (mut counted, mut cut) = (BTreeSet::from([1]), 0);
        for tab in &tabs {
            cut += tab.cut;
            assert!(tab.counted.iter().all(|number| counted.insert(*number)), "counted twice");
        }
        assert!(cut > 0, "requests were cut off");
        let expected = counted.len()..=counted.len() + cut;
        for tab in tabs {
            for port in ports {
                let total: usize = tab.client.at(port).get_ok("/get?key=count").parse().unwrap();
                assert!(expected.contains(&total), "{total} of {expected:?}");
            }
        }
    }
}

/// A tab with a cookie of its own, which meets all servers.
struct Tab {
    client: Client,
    ports: Vec<u16>,
    counted: Vec<usize>,
    cut: usize,
}

impl Tab {
    fn of(browser: &Client, ports: &[u16]) -> Self {
        let client = browser.at(ports[0]);
        Self { client, ports: ports.to_vec(), counted: vec![], cut: 0 }
    }

    fn count(mut self, goes_on: &GoesOn, seed: u64) -> Self {
        let mut rng = fastrand::Rng::with_seed(seed);
        let (first, mut has_met) = (self.client.id.clone(), false);
        while goes_on.test() {
            self.client = self.client.at(self.ports[rng.usize(..self.ports.len())]);
            match self.client.try_get("/count") {
                Ok(answer) if answer.status == 200 => {
                    self.counted.push(answer.body.parse().unwrap());
                    goes_on.note(self.client.id != first, &mut has_met);
                }
                Ok(answer) => panic!("{answer:?}"),
                Err(_) => self.cut += 1,
            }
            thread::sleep(Duration::from_millis(rng.u64(5..30)));
        }
        self
    }
}

#[test]
fn g15_a_session_ends_at_its_absolute_end_on_every_store() {
    let limit = [("DEMO__SESSION__ABSOLUTE_MAX_AGE", "3s"), ("DEMO__SESSION__MAX_AGE", "2s")];
    for store in [Store::Memory, Store::file(), Store::key_value(), Store::hash_table()] {
        let server = store.serve(&limit);
        let mut browser = server.client();
        let began = Instant::now();
        browser.get_ok("/set?a=1");
        let id = browser.id.clone().unwrap();
        let mut lived = Duration::ZERO;
        // Used in every way, and by hand.
        for path in ["/get", "/set?b=2", "/count", "/get?key=a"].iter().cycle() {
            let answer = browser.with_id(&id).get(path);
            let is_new = answer.set_cookie.is_some_and(|cookie| !cookie.contains(&id));
            if answer.body == "{}" || answer.status != 200 || is_new {
                break;
            }
            lived = began.elapsed();
            assert!(lived < Duration::from_secs(10), "it does not end");
            if let Store::KeyValue(redis) | Store::HashTable(redis) = &store {
                redis.cli(&["PEXPIRE", &format!("session:{id}"), "1000000"]);
            }
            thread::sleep(Duration::from_millis(50));
        }
        let (early, late) = (Duration::from_millis(2800), Duration::from_secs(4));
        assert!((early..late).contains(&lived), "it lived for {lived:?}");
    }
}

#[test]
fn a_restart_with_a_lower_absolute_max_age_reaches_living_sessions() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let mut server = store.serve(&[("DEMO__SESSION__ABSOLUTE_MAX_AGE", "1h")]);
        let mut browser = server.client();
        browser.get_ok("/set?a=1");
        server.terminate();
        thread::sleep(Duration::from_millis(1100));
        let server = store.serve(&[("DEMO__SESSION__ABSOLUTE_MAX_AGE", "1s")]);
        assert_eq!(browser.at(server.port()).get_ok("/get"), "{}");
    }
}

#[test]
fn a_restart_with_lifetimes_keeps_the_sessions_from_before() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let mut server = store.serve(&[]);
        let mut browser = server.client();
        browser.get_ok("/set?a=1");
        let id = browser.id.clone().unwrap();
        let stored = store.read_raw(&id).unwrap();
        assert!(!stored.contains("$meta"), "{stored}");
        server.terminate();
        let mut settings = RENEWS.to_vec();
        settings.push(("DEMO__SESSION__ABSOLUTE_MAX_AGE", "1h"));
        let server = store.serve(&settings);
        let mut browser = browser.at(server.port());
        assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#);
        assert!(store.read_raw(&id).unwrap().contains("$meta"), "its creation is noted");
        thread::sleep(Duration::from_millis(2100));
        assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#);
        assert_ne!(browser.id, Some(id), "and its id is renewed");
    }
}

#[test]
fn an_edit_by_hand_that_drops_the_metadata_keeps_the_session() {
    let settings = [("DEMO__SESSION__ABSOLUTE_MAX_AGE", "1h")];
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let server = store.serve(&settings);
        let mut browser = server.client();
        browser.get_ok("/set?time=5");
        let id = browser.id.clone().unwrap();
        store.edit_by_hand(&id);
        assert!(browser.get_ok("/get").contains("1"));
        assert!(store.read_raw(&id).unwrap().contains("$meta"), "it is noted anew");
    }
}
