//! Histories of users who log in and end sessions on several servers, checked against the rules.
//!
//! `HISTORY_SEED` fixes what each browser requests (default: random).

#[path = "support/demo.rs"]
mod demo;
mod support;
#[path = "user_history/mod.rs"]
mod user_history;

use std::{thread, time::Duration};

use demo::{server::Server, store::Store};
use user_history::{check::check, load::Load, record::Operation};

const LENGTH: Duration = Duration::from_secs(4);
const RENEWS: [(&str, &str); 2] =
    [("DEMO__SESSION__RENEW_AFTER", "1500ms"), ("DEMO__SESSION__GRACE", "400ms")];

#[test]
fn g17_histories_of_users_are_consistent_in_files() {
    run("file", &Store::file(), &[], false);
}

#[test]
fn g17_histories_of_users_are_consistent_in_redis_strings() {
    run("redis-key-value", &Store::key_value(), &[], false);
}

#[test]
fn g17_histories_of_users_are_consistent_in_redis_hashes() {
    run("redis-hash-table", &Store::hash_table(), &[], false);
}

#[test]
fn g17_histories_of_users_with_renewals_are_consistent_in_files() {
    run("file, renewals", &Store::file(), &RENEWS, false);
}

#[test]
fn g17_histories_of_users_with_renewals_are_consistent_in_redis_strings() {
    run("redis-key-value, renewals", &Store::key_value(), &RENEWS, false);
}

#[test]
fn g17_histories_of_users_with_renewals_are_consistent_in_redis_hashes() {
    run("redis-hash-table, renewals", &Store::hash_table(), &RENEWS, false);
}

#[test]
fn g17_histories_of_users_with_killed_servers_are_consistent() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        run("killed servers", &store, &[], true);
    }
}

#[test]
fn g17_histories_of_users_with_a_stopped_redis_are_consistent() {
    for store in [Store::key_value(), Store::hash_table()] {
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(LENGTH / 4);
                store.redis().pause();
                thread::sleep(LENGTH / 4);
                store.redis().resume();
            });
            run("stopped Redis", &store, &[], true);
        });
    }
}

/// Runs browsers against three servers, which are killed in turn if there are `kills`.
fn run(what: &str, store: &Store, settings: &[(&str, &str)], kills: bool) {
    let mut servers: Vec<Server> = (0..3).map(|_| store.serve(settings)).collect();
    let ports: Vec<u16> = servers.iter().map(Server::port).collect();
    let load = Load::start(&ports);
    if kills {
        for number in 0..8 {
            thread::sleep(LENGTH / 8);
            let server = &mut servers[number % 3];
            server.kill();
            server.restart();
        }
    } else {
        thread::sleep(LENGTH);
    }
    let (seed, events) = load.finish(&ports);
    let violations = check(&events, kills);
    assert!(violations.is_empty(), "{what}, seed {seed}: {violations:#?}");
    let count = |kind: fn(&Operation) -> bool| {
        events.iter().filter(|event| event.status == 200 && kind(&event.operation)).count()
    };
    let logins = count(|operation| matches!(operation, Operation::Login(_)));
    let ends = count(Operation::is_end);
    println!("{what}: {} requests, {logins} logins, {ends} ends (seed {seed})", events.len());
    assert!(logins > 10 && ends > 10, "a history worth checking");
    for server in &servers {
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}
