//! Histories in which ids are renewed by themselves, several times in each session, while all tabs
//! of its browser use it on several servers.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    assert_no_panic, assert_no_violation, count,
    demo::{server::Server, store::Store},
    history::{
        check::check,
        load::Plan,
        login::Lifetimes,
        record::{Answer, Event, History, Id},
        renewals::told,
        rule::{Expiry, Renewal},
    },
    login_with, record, serve,
};

/// Much shorter than sensible, so that a run sees several renewals of each session. A renewal that
/// takes as long as the timeout leaves a marker that is gone before the new id is due.
const RENEWAL: Renewal =
    Renewal { after: Duration::from_millis(1500), grace: Duration::from_millis(400) };
const RENEWS: [(&str, &str); 3] = [
    ("DEMO__SESSION__RENEW_AFTER", "1500ms"),
    ("DEMO__SESSION__GRACE", "400ms"),
    ("RUST_LOG", "info"),
];

#[test]
fn g14_histories_with_renewals_are_consistent_in_files_of_four_processes() {
    run("file", &Store::file());
}

#[test]
fn g14_histories_with_renewals_are_consistent_in_redis_strings_of_four_processes() {
    run("redis-key-value", &Store::key_value());
}

#[test]
fn g14_histories_with_renewals_are_consistent_in_redis_hashes_of_four_processes() {
    run("redis-hash-table", &Store::hash_table());
}

/// Runs browsers with three servers and an application with a login, which all renew ids.
fn run(what: &str, store: &Store) {
    let servers = serve(store, 3, &RENEWS);
    let login = login_with(store, Lifetimes { rolling: None, renewal: Some(RENEWAL) });
    let ports = servers.iter().map(Server::port).chain([login.port()]);
    let ports: Vec<u16> = ports.collect();
    let plan = Plan {
        tabs: 4,
        pause: Duration::from_millis(20),
        logins: vec![servers.len()],
        longest_wait: Duration::from_millis(100),
        login_share: 12,
        one_end_in: 10,
        ..Plan::new()
    };
    let history = record(&plan, &ports, Duration::from_secs(5));
    let what = format!("{what}, {} servers, renewals", ports.len());
    let expiry = Expiry { renewal: Some(RENEWAL), ..Expiry::DEFAULT };
    // A busy machine may cause an error. The rules know what it means.
    assert_no_violation(&what, &plan, &history, &check(&history, expiry));
    assert_no_panic(&servers);
    let told = told(&history);
    let shared = told.values().filter(|requests| requests.len() > 1).count();
    let logins = count(&history, |event| event.answer == Answer::Renewed);
    println!("{what}: {} ids, {shared} told to several requests, {logins} logins", told.len());
    assert!(told.len() > 10 && shared > 3, "renewals worth checking");
    assert!(after_grace(&history, &told) > 0, "some requests came too late");
}

/// Returns the number of requests that found nothing because they were sent with an id that had
/// been renewed long before.
fn after_grace(history: &History, told: &BTreeMap<&Id, Vec<&Event>>) -> usize {
    let old: BTreeSet<&Id> =
        told.values().flatten().filter_map(|event| event.claim.as_ref()).collect();
    count(history, |event| {
        event.claim.as_ref().is_some_and(|claim| old.contains(claim))
            && event.answer == Answer::Items(BTreeMap::new())
    })
}
