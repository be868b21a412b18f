//! `/count` and `/take`: atomic changes of one item, on several servers that share a store.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::thread;

use demo::{server::Server, store::Store};

/// These tests are about lost updates, not about time, and the machine may be busy.
const LONG_TIMEOUT: [(&str, &str); 1] = [("DEMO__REDIS__RESPONSE_TIMEOUT", "20s")];

#[test]
fn g13_a_thousand_concurrent_increments_are_all_counted_in_memory() {
    counts_all(&Store::Memory, 1);
}

#[test]
fn g13_a_thousand_increments_of_three_servers_are_all_counted_in_a_file() {
    counts_all(&Store::file(), 3);
}

#[test]
fn g13_a_thousand_increments_of_three_servers_are_all_counted_in_a_redis_string() {
    counts_all(&Store::key_value(), 3);
}

#[test]
fn g13_a_thousand_increments_of_three_servers_are_all_counted_in_a_redis_hash() {
    counts_all(&Store::hash_table(), 3);
}

fn counts_all(store: &Store, servers: usize) {
    const CLIENTS: usize = 20;
    const INCREMENTS: usize = 50;
    let servers: Vec<Server> = (0..servers).map(|_| store.serve(&LONG_TIMEOUT)).collect();
    let mut browser = servers[0].client();
    assert_eq!(browser.get_ok("/count"), "1");
    thread::scope(|scope| {
        for number in 0..CLIENTS {
            let mut client = browser.at(servers[number % servers.len()].port());
            scope.spawn(move || {
                let mut last = 1;
                for _ in 0..INCREMENTS {
                    let count: usize = client.get_ok("/count").parse().unwrap();
                    assert!(count > last, "{count} after {last}");
                    last = count;
                }
            });
        }
    });
    let counted = (1 + CLIENTS * INCREMENTS).to_string();
    assert_eq!(browser.get_ok("/get?key=count"), counted);
}

#[test]
fn g13_an_item_is_taken_by_one_of_many_requests() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let servers = [store.serve(&LONG_TIMEOUT), store.serve(&LONG_TIMEOUT)];
        let mut browser = servers[0].client();
        for round in 0..20 {
            browser.get_ok(&format!("/set?flash={round}&b=2.50"));
            let taken: Vec<String> = thread::scope(|scope| {
                let takers = (0..8).map(|number| {
                    let mut client = browser.at(servers[number % 2].port());
                    scope.spawn(move || client.get_ok("/take?key=flash"))
                });
                let takers: Vec<_> = takers.collect();
                takers.into_iter().map(|taker| taker.join().unwrap()).collect()
            });
            let given: Vec<_> = taken.iter().filter(|item| *item != "null").collect();
            assert_eq!(given, [&round.to_string()], "{taken:?}");
        }
        assert_eq!(browser.get_ok("/get"), r#"{"b":2.50}"#);
        assert_eq!(browser.get_ok("/take?key=b"), "2.50", "byte for byte");
        assert_eq!(browser.get_ok("/get"), "{}");
        assert_eq!(browser.get_ok("/count"), "1", "an emptied session is no ended one");
    }
}

#[test]
fn without_a_session_there_is_nothing_to_take_and_counting_begins_one() {
    let server = Store::file().serve(&[]);
    let mut browser = server.client();
    let answer = browser.get("/take?key=a");
    assert_eq!((answer.status, answer.body.as_str()), (200, "null"));
    assert_eq!(answer.set_cookie, None);
    for malformed in ["/take", "/take?a=1", "/take?key=a&key=b"] {
        assert_eq!(browser.get(malformed).status, 400, "{malformed}");
    }
    let answer = browser.get("/count");
    assert_eq!(answer.body, "1");
    assert!(answer.set_cookie.is_some());
    assert_eq!(browser.get_ok("/count"), "2");
}
