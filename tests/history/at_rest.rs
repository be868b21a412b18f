//! Histories with hashed ids and encrypted items.

use std::{sync::Arc, time::Duration};

use session_core::{HashedIds, IntoStorage, KeyRing, Sealed, Storage};

use crate::{
    assert_no_panic, assert_no_violation, count,
    demo::{server::Server, store::Store},
    history::{
        check::check,
        load::Plan,
        login::{Application, Lifetimes},
        record::Answer,
        rule::Expiry,
    },
    record, serve, storage,
};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SETTINGS: [(&str, &str); 3] = [
    ("DEMO__SESSION__HASH_IDS", "true"),
    ("DEMO__SESSION__ENCRYPTION_KEYS", KEY),
    ("RUST_LOG", "info"),
];

#[test]
fn histories_with_hashed_ids_and_encrypted_items_are_consistent_in_files() {
    run("file", &Store::file());
}

#[test]
fn histories_with_hashed_ids_and_encrypted_items_are_consistent_in_redis_strings() {
    run("redis-key-value", &Store::key_value());
}

#[test]
fn histories_with_hashed_ids_and_encrypted_items_are_consistent_in_redis_hashes() {
    run("redis-hash-table", &Store::hash_table());
}

/// Runs browsers with three servers and an application with a login, whose renewals copy sessions.
fn run(what: &str, store: &Store) {
    let servers = serve(store, 3, &SETTINGS);
    let plain = storage(store);
    let login = Application::start(Lifetimes::default(), move || {
        let storage: Arc<dyn Storage> = plain();
        let keys = KeyRing::parse([KEY]).expect("a key");
        HashedIds::new(Sealed::new(storage, keys)).into_storage()
    });
    let mut ports: Vec<u16> = servers.iter().map(Server::port).collect();
    let mut plan = Plan::new();
    plan.logins.push(ports.len());
    ports.push(login.port());
    let history = record(&plan, &ports, Duration::from_secs(2));
    let what = format!("{what}, {} servers, hashed ids and encrypted items", ports.len());
    // A login that meets writes all the time may give up. The rules know what that means.
    assert_no_violation(&what, &plan, &history, &check(&history, Expiry::DEFAULT));
    assert_no_panic(&servers);
    assert!(count(&history, |event| event.answer == Answer::Renewed) > 0);
    assert!(count(&history, |event| matches!(event.answer, Answer::Counted(2..))) > 0);
}
