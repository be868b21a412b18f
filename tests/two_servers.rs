//! Concurrent requests to one server, and to two servers that share a store.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{sync::Barrier, thread};

use demo::{
    client::{Answer, Client},
    server::Server,
    store::Store,
};

const WRITERS: usize = 50;

/// These tests are about lost writes, not about time, and the machine may be busy.
const LONG_TIMEOUT: [(&str, &str); 1] = [("DEMO__REDIS__RESPONSE_TIMEOUT", "20s")];

#[test]
fn a_session_set_on_one_server_is_read_on_the_other() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let [one, other] = [store.serve(&[]), store.serve(&[])];
        let mut browser = one.client();
        browser.get_ok("/set?a=1");
        let mut there = browser.at(other.port());
        assert_eq!(there.get_ok("/get"), r#"{"a":1}"#);
        there.get_ok("/set?b=2");
        assert_eq!(browser.get_ok("/get"), r#"{"a":1,"b":2}"#);
        there.get_ok("/del");
        assert_eq!(browser.get_ok("/get"), "{}");
    }
}

#[test]
fn g1_fifty_requests_at_once_keep_all_fifty_items_in_memory() {
    keeps_all(&Store::Memory, 1);
}

#[test]
fn g1_fifty_requests_at_once_keep_all_fifty_items_in_a_file() {
    keeps_all(&Store::file(), 1);
}

#[test]
fn g1_fifty_requests_at_once_keep_all_fifty_items_in_a_redis_string() {
    keeps_all(&Store::key_value(), 1);
}

#[test]
fn g1_fifty_requests_at_once_keep_all_fifty_items_in_a_redis_hash() {
    keeps_all(&Store::hash_table(), 1);
}

#[test]
fn g1_fifty_requests_at_once_to_two_servers_keep_all_fifty_items_in_a_file() {
    keeps_all(&Store::file(), 2);
}

#[test]
fn g1_fifty_requests_at_once_to_two_servers_keep_all_fifty_items_in_a_redis_string() {
    keeps_all(&Store::key_value(), 2);
}

#[test]
fn g1_fifty_requests_at_once_to_two_servers_keep_all_fifty_items_in_a_redis_hash() {
    keeps_all(&Store::hash_table(), 2);
}

fn keeps_all(store: &Store, servers: usize) {
    let servers: Vec<Server> = (0..servers).map(|_| store.serve(&LONG_TIMEOUT)).collect();
    for length in [1, 200] {
        let mut browser = servers[0].client();
        browser.get_ok("/set?first=1");
        let value = "x".repeat(length);
        let paths: Vec<String> = (10..10 + WRITERS).map(|n| format!("/set?k{n}={value}")).collect();
        for answer in request_at_once(&browser, &servers, &paths) {
            assert_eq!(answer.status, 200, "{answer:?}");
            assert!(answer.set_cookie.is_none_or(|cookie| cookie.contains(id_of(&browser))));
        }
        let items: Vec<String> =
            (10..10 + WRITERS).map(|n| format!(r#""k{n}":"{value}""#)).collect();
        let expected = format!(r#"{{"first":1,{}}}"#, items.join(","));
        for server in &servers {
            assert_eq!(browser.at(server.port()).get_ok("/get"), expected);
        }
    }
}

#[test]
fn g2_a_logout_during_fifty_writes_is_final_in_memory() {
    logs_out(&Store::Memory, 1);
}

#[test]
fn g2_a_logout_during_fifty_writes_is_final_in_a_file() {
    logs_out(&Store::file(), 2);
}

#[test]
fn g2_a_logout_during_fifty_writes_is_final_in_a_redis_string() {
    logs_out(&Store::key_value(), 2);
}

#[test]
fn g2_a_logout_during_fifty_writes_is_final_in_a_redis_hash() {
    logs_out(&Store::hash_table(), 2);
}

fn logs_out(store: &Store, servers: usize) {
    let servers: Vec<Server> = (0..servers).map(|_| store.serve(&LONG_TIMEOUT)).collect();
    for _ in 0..5 {
        let mut browser = servers[0].client();
        browser.get_ok("/set?first=1");
        let mut paths: Vec<String> = (0..WRITERS).map(|n| format!("/set?k{n}={n}")).collect();
        paths.insert(WRITERS / 2, "/del".to_owned());
        for answer in request_at_once(&browser, &servers, &paths) {
            // Before the logout, during it, or after it in a new session.
            assert!([200, 409].contains(&answer.status), "{answer:?}");
            let is_new =
                answer.set_cookie.as_ref().is_some_and(|cookie| !cookie.contains("Max-Age=0"));
            assert!(!is_new || answer.status == 200, "a refused write sets no cookie: {answer:?}");
        }
        for server in &servers {
            assert_eq!(browser.at(server.port()).get_ok("/get"), "{}");
        }
        if !matches!(store, Store::Memory) {
            assert_eq!(store.read_raw(id_of(&browser)), None);
        }
    }
}

fn id_of(browser: &Client) -> &str {
    browser.id.as_deref().expect("a session")
}

/// Requests all paths at the same moment over open connections, distributed over the servers.
fn request_at_once(browser: &Client, servers: &[Server], paths: &[String]) -> Vec<Answer> {
    let barrier = Barrier::new(paths.len());
    thread::scope(|scope| {
        let request = |(path, server): (&String, &Server)| {
            let mut tab = browser.at(server.port());
            let (path, barrier) = (path.clone(), &barrier);
            scope.spawn(move || {
                tab.get_ok("/healthz");
                barrier.wait();
                loop {
                    let answer = tab.get(&path);
                    // A write to a file may time out, and this timeout is fixed. The write is not
                    // confirmed, so it is repeated.
                    if answer.status != 503 {
                        return answer;
                    }
                }
            })
        };
        let tabs: Vec<_> = paths.iter().zip(servers.iter().cycle()).map(request).collect();
        tabs.into_iter().map(|tab| tab.join().expect("a response")).collect()
    })
}
