//! Histories of many clients on real servers, checked against the rules.
//!
//! Each run lasts `HISTORY_SECONDS` (default 2) and uses the seed `HISTORY_SEED` (default: random).
//! The runs of G14 have cookies that roll many times per second, and slow requests that overlap
//! logins and logouts in the other tabs of their browser, or ids that are renewed by themselves.

#[path = "support/demo.rs"]
mod demo;
#[path = "history/mod.rs"]
mod history;
mod support;

/// Runs with hashed ids and encrypted items.
#[path = "history/at_rest.rs"]
mod at_rest;
/// Tests of the check itself.
#[path = "history/check_tests.rs"]
mod check_tests;
/// Tests of the check of cookies, and of the browsers' jar.
#[path = "history/cookie_tests.rs"]
mod cookie_tests;
/// Tests of the check of increments and of items that are taken.
#[path = "history/counts_tests.rs"]
mod counts_tests;
/// Tests of the check of expiry.
#[path = "history/expiry_tests.rs"]
mod expiry_tests;
/// Tests of the check of near caches.
#[path = "history/near_cache_tests.rs"]
mod near_cache_tests;
/// Tests of the check of ids that are renewed by themselves.
#[path = "history/renewals_tests.rs"]
mod renewals_tests;
/// Runs with ids that are renewed by themselves.
#[path = "history/renewing.rs"]
mod renewing;

use std::{sync::Arc, thread, time::Duration};

use demo::{server::Server, store::Store};
use history::{
    check::check,
    load::{Load, Plan, duration_or},
    login::{Application, Lifetimes},
    near_cache::check_near_cache,
    record::{Answer, Cookie, Event, History, Items, Operation},
    rule::{Expiry, Report, Violation},
};
use session_core::{
    FileStorage, MemoryStorage, Redis, RedisHashTableStorage, RedisKeyValueStorage, Storage,
};

#[test]
fn histories_are_consistent_in_memory() {
    run("memory", &Store::Memory, 1, None);
}

#[test]
fn histories_with_logins_are_consistent_in_memory() {
    run("memory, with logins", &Store::Memory, 0, Some(login(&Store::Memory, None)));
}

#[test]
fn histories_are_consistent_in_files_of_one_process() {
    run("file", &Store::file(), 1, None);
}

#[test]
fn histories_with_logins_are_consistent_in_files_of_three_processes() {
    let store = Store::file();
    run("file", &store, 3, Some(login(&store, None)));
}

#[test]
fn histories_are_consistent_in_redis_strings_of_one_process() {
    run("redis-key-value", &Store::key_value(), 1, None);
}

#[test]
fn histories_with_logins_are_consistent_in_redis_strings_of_three_processes() {
    let store = Store::key_value();
    run("redis-key-value", &store, 3, Some(login(&store, None)));
}

#[test]
fn histories_are_consistent_in_redis_hashes_of_one_process() {
    run("redis-hash-table", &Store::hash_table(), 1, None);
}

#[test]
fn histories_with_logins_are_consistent_in_redis_hashes_of_three_processes() {
    let store = Store::hash_table();
    run("redis-hash-table", &store, 3, Some(login(&store, None)));
}

#[test]
fn g9_histories_of_short_sessions_are_consistent_in_files() {
    run_short_sessions("file", &Store::file());
}

#[test]
fn g9_histories_of_short_sessions_are_consistent_in_redis_strings() {
    run_short_sessions("redis-key-value", &Store::key_value());
}

#[test]
fn g9_histories_of_short_sessions_are_consistent_in_redis_hashes() {
    run_short_sessions("redis-hash-table", &Store::hash_table());
}

#[test]
fn histories_with_logins_are_consistent_in_redis_strings_with_near_caches() {
    let store = Store::key_value();
    let url = store.redis().url();
    let start = || {
        let redis = Redis::builder(&url).prefix("session:").near_cache(1 << 20);
        let redis = redis.build().expect("a good URL");
        Application::start(Lifetimes::default(), || Arc::new(RedisKeyValueStorage::new(redis)))
    };
    let applications = [start(), start(), start()];
    let ports = applications.each_ref().map(Application::port);
    // What a cached session shows to such an operation may be a second old.
    let plan = Plan { logins: vec![0], counts: false, ..Plan::new() };
    let history = record(&plan, &ports, Duration::from_secs(3));
    let what = "redis-key-value with near caches, 3 applications";
    assert_consistent(
        what,
        &plan,
        &history,
        &check_near_cache(&history, Duration::from_secs(1), Expiry::DEFAULT),
    );
}

#[test]
fn g14_histories_with_rolling_cookies_are_consistent_in_memory() {
    run_rolling("memory", &Store::Memory, 0);
}

#[test]
fn g14_histories_with_rolling_cookies_are_consistent_in_files_of_three_processes() {
    run_rolling("file", &Store::file(), 3);
}

#[test]
fn g14_histories_with_rolling_cookies_are_consistent_in_redis_strings_of_three_processes() {
    run_rolling("redis-key-value", &Store::key_value(), 3);
}

#[test]
fn g14_histories_with_rolling_cookies_are_consistent_in_redis_hashes_of_three_processes() {
    run_rolling("redis-hash-table", &Store::hash_table(), 3);
}

#[test]
fn g12_no_log_level_shows_ids_or_values() {
    for mut store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let servers =
            serve(&store, 1, &[("RUST_LOG", "session_core=trace,session_actix=trace,info")]);
        let plan = Plan::new();
        let load = Load::start(&plan, &[servers[0].port()]);
        thread::sleep(Duration::from_millis(500));
        if !matches!(store, Store::File(_)) {
            store.redis_mut().kill();
            thread::sleep(Duration::from_millis(300));
            store.redis_mut().restart();
        }
        let history = load.finish();
        let log = servers[0].log();
        for event in &history.events {
            let id = event.claim.as_deref().filter(|id| id.len() >= 32);
            assert!(id.is_none_or(|id| !log.contains(id)), "an id");
            // Short values may occur in the log by chance.
            let values = event.items_set().into_iter().flat_map(|items| items.values());
            for value in values.filter(|value| value.len() > 20) {
                assert!(!log.contains(value.trim_matches('"')), "a value");
            }
        }
        assert!(log.contains("is unknown to"), "the log has debug messages");
    }
}

/// Starts an application with a login on the same store. With a touch interval, its cookies roll.
fn login(store: &Store, rolling: Option<Duration>) -> Application {
    login_with(store, Lifetimes { rolling, renewal: None })
}

fn login_with(store: &Store, lifetimes: Lifetimes) -> Application {
    Application::start(lifetimes, storage(store))
}

/// Returns what opens a storage on the same store, in the thread that uses it.
fn storage(store: &Store) -> Box<dyn FnOnce() -> Arc<dyn Storage> + Send> {
    match store {
        Store::Memory => Box::new(|| Arc::new(MemoryStorage::new())),
        Store::File(directory) => {
            let path = directory.path().to_owned();
            Box::new(|| Arc::new(FileStorage::open(path).expect("a directory")))
        }
        Store::KeyValue(server) => {
            let url = server.url();
            Box::new(|| Arc::new(RedisKeyValueStorage::new(redis(url))))
        }
        Store::HashTable(server) => {
            let url = server.url();
            Box::new(|| Arc::new(RedisHashTableStorage::new(redis(url))))
        }
    }
}

fn redis(url: String) -> Redis {
    Redis::builder(url).prefix("session:").build().expect("a good URL")
}

/// Runs clients against servers that share a store, and checks the history.
fn run(what: &str, store: &Store, processes: usize, login: Option<Application>) {
    let servers = serve(store, processes, &[("RUST_LOG", "info")]);
    let mut ports: Vec<u16> = servers.iter().map(Server::port).collect();
    let mut plan = Plan::new();
    if let Some(login) = &login {
        plan.logins.push(ports.len());
        ports.push(login.port());
    }
    let history = record(&plan, &ports, Duration::from_secs(2));
    let what = format!("{what}, {} servers", ports.len());
    assert_consistent(&what, &plan, &history, &check(&history, Expiry::DEFAULT));
    assert_no_panic(&servers);
    assert!(count(&history, |event| event.operation == Operation::Logout) > 0);
    assert!(count(&history, |event| matches!(event.answer, Answer::Counted(2..))) > 0);
    let took = |event: &Event| matches!(event.operation, Operation::Take(_));
    assert!(count(&history, |event| took(event) && event.answer != Answer::Item(None)) > 0);
    assert!(login.is_none() || count(&history, |event| event.answer == Answer::Renewed) > 0);
}

/// Runs browsers with servers and as many applications, whose cookies roll all the time.
fn run_rolling(what: &str, store: &Store, processes: usize) {
    let interval = Duration::from_millis(20);
    let servers =
        serve(store, processes, &[("DEMO__SESSION__TOUCH_INTERVAL", "20ms"), ("RUST_LOG", "info")]);
    let start = |_| login(store, Some(interval));
    let applications: Vec<Application> = (0..processes.max(1)).map(start).collect();
    let ports = servers.iter().map(Server::port).chain(applications.iter().map(Application::port));
    let ports: Vec<u16> = ports.collect();
    let plan = Plan {
        logins: (processes..ports.len()).collect(),
        browsers: 4,
        tabs: 4,
        login_share: 20,
        longest_wait: 10 * interval,
        ..Plan::new()
    };
    let history = record(&plan, &ports, Duration::from_secs(2));
    let what = format!("{what}, {} servers, rolling cookies", ports.len());
    assert_consistent(&what, &plan, &history, &check(&history, Expiry::DEFAULT));
    assert_no_panic(&servers);
    let rolled = count(&history, |event| event.cookie == Cookie::Rolled);
    let renewed = count(&history, |event| event.answer == Answer::Renewed);
    println!("{what}: {rolled} cookies rolled, {renewed} ids renewed");
    assert!(rolled > 50 && renewed > 5, "{rolled} cookies rolled, {renewed} ids renewed");
}

/// Does the same with short sessions and pauses of about their time to live.
fn run_short_sessions(what: &str, store: &Store) {
    let expiry = Expiry { ttl: Duration::from_secs(2), ..Expiry::DEFAULT };
    let settings = [("DEMO__SESSION__MAX_AGE", "2s"), ("RUST_LOG", "info")];
    let servers = serve(store, 3, &settings);
    let ports: Vec<u16> = servers.iter().map(Server::port).collect();
    let plan = Plan { browsers: 100, tabs: 1, pause: 2 * expiry.ttl, ..Plan::new() };
    let history = record(&plan, &ports, Duration::from_secs(9));
    let what = format!("{what}, {} servers, sessions of 2 s", ports.len());
    assert_consistent(&what, &plan, &history, &check(&history, expiry));
    assert_no_panic(&servers);
    let is_expired =
        |event: &Event| event.claim.is_some() && event.answer == Answer::Items(Items::new());
    assert!(count(&history, is_expired) > 0, "some sessions have expired");
}

fn serve(store: &Store, processes: usize, settings: &[(&str, &str)]) -> Vec<Server> {
    (0..processes).map(|_| store.serve(settings)).collect()
}

fn record(plan: &Plan, ports: &[u16], length: Duration) -> History {
    let load = Load::start(plan, ports);
    thread::sleep(duration_or(length));
    load.finish()
}

fn assert_consistent(what: &str, plan: &Plan, history: &History, violations: &[Violation]) {
    assert_no_violation(what, plan, history, violations);
    let uncertain = history.events.iter().find(|event| event.is_uncertain());
    assert_eq!(uncertain.map(ToString::to_string), None, "the store was available");
}

fn assert_no_violation(what: &str, plan: &Plan, history: &History, violations: &[Violation]) {
    assert!(violations.is_empty(), "{what}, seed {}: {}", plan.seed, Report(history, violations));
    println!(
        "{what}: {} requests, {} sessions, {} conflicts, no violation (seed {})",
        history.events.len(),
        count(history, |event| matches!(event.cookie, Cookie::Issued(_))),
        count(history, |event| event.answer == Answer::Refused),
        plan.seed,
    );
    assert!(history.events.len() > 100, "a history worth checking");
}

fn assert_no_panic(servers: &[Server]) {
    for server in servers {
        assert!(!server.log().contains("panicked"), "{}", server.log());
    }
}

fn count(history: &History, predicate: impl Fn(&Event) -> bool) -> usize {
    history.events.iter().filter(|event| predicate(event)).count()
}
