//! Faults while servers renew ids by themselves.

use std::{thread::sleep, time::Duration};

use crate::{
    demo::{alone::alone, store::Store},
    fault_run::{AllowedErrors, FaultRun},
    history::{load::Plan, record::History, renewals::told, rule::Renewal},
    killed::{assert_every_key_has_ttl, assert_files_intact, kill_at_random},
    network::cut_off_for_a_while,
    redis::both_with,
    support::{
        proxy::{Harm, Proxy},
        redis::RedisServer,
    },
};

const PROCESSES: usize = 3;
/// A renewal that Redis carries out late, because it was stopped, leaves a marker that is still
/// gone before the new id is due.
const RENEWAL: Renewal =
    Renewal { after: Duration::from_millis(1500), grace: Duration::from_millis(250) };
const RENEWS: [(&str, &str); 3] = [
    ("DEMO__SESSION__RENEW_AFTER", "1500ms"),
    ("DEMO__SESSION__GRACE", "250ms"),
    ("RUST_LOG", "info"),
];
/// The time for which Redis is stopped or gone, in each of several rounds.
const OUTAGE: Duration = Duration::from_millis(700);
const ROUNDS: usize = 2;

#[test]
fn g14_histories_with_renewals_by_killed_servers_are_consistent_in_files() {
    let _alone = alone();
    let store = Store::file();
    kill_repeatedly("file: killed, ids renewed by themselves", &store);
    let Store::File(directory) = &store else { unreachable!("just made") };
    assert_files_intact(directory.path());
}

#[test]
fn g14_histories_with_renewals_by_killed_servers_are_consistent_in_redis_strings() {
    let _alone = alone();
    let store = Store::key_value();
    kill_repeatedly("redis-key-value: killed, ids renewed by themselves", &store);
    assert_every_key_has_ttl(&store);
}

#[test]
fn g14_histories_with_renewals_by_killed_servers_are_consistent_in_redis_hashes() {
    let _alone = alone();
    let store = Store::hash_table();
    kill_repeatedly("redis-hash-table: killed, ids renewed by themselves", &store);
    assert_every_key_has_ttl(&store);
}

#[test]
fn g14_histories_with_renewals_are_consistent_while_redis_is_stopped() {
    let _alone = alone();
    let redis = RedisServer::start();
    let figures = begin("SIGSTOP, ids renewed by themselves", &redis.url())
        .inject(|_| {
            for _ in 0..ROUNDS {
                // Ids are due before, during and after it.
                sleep(OUTAGE);
                redis.pause();
                sleep(OUTAGE);
                redis.resume();
            }
        })
        .end_with(AllowedErrors::Unavailable, assert_renewed);
    assert!(figures.unavailable > 0);
}

#[test]
fn g14_histories_with_renewals_are_consistent_when_redis_is_killed_and_restarted_from_its_log() {
    let _alone = alone();
    let mut redis = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let figures = begin("SIGKILL, ids renewed by themselves", &redis.url())
        .inject(|_| {
            for _ in 0..ROUNDS {
                sleep(OUTAGE);
                redis.kill();
                sleep(OUTAGE / 2);
                redis.restart();
            }
        })
        .end_with(AllowedErrors::Unavailable, assert_renewed);
    assert!(figures.unavailable > 0);
}

#[test]
fn g14_histories_with_renewals_are_consistent_while_answers_are_cut_off() {
    let _alone = alone();
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    let figures = begin("answers cut off, ids renewed by themselves", &proxy.url())
        .inject(|_| {
            sleep(OUTAGE);
            cut_off_for_a_while(&proxy, Harm::Truncate);
        })
        .end_with(AllowedErrors::Unavailable, assert_renewed);
    assert!(figures.unavailable > 0);
}

fn plan() -> Plan {
    Plan { browsers: 4, one_end_in: 20, ..Plan::new() }
}

/// Starts servers for each Redis storage under load.
fn begin(fault: &'static str, url: &str) -> FaultRun {
    FaultRun::begin_with(plan(), fault, both_with(url, &RENEWS)).with_renewal(RENEWAL)
}

fn kill_repeatedly(fault: &'static str, store: &Store) {
    let servers = (0..PROCESSES).map(|_| store.serve(&RENEWS)).collect();
    let run = FaultRun::begin_with(plan(), fault, vec![servers]).with_renewal(RENEWAL);
    kill_at_random(run, PROCESSES, Duration::from_secs(3))
        .end_with(AllowedErrors::Connections, assert_renewed);
}

fn assert_renewed(history: &History) {
    let told = told(history);
    let shared = told.values().filter(|requests| requests.len() > 1).count();
    println!("{} ids renewed by themselves, {shared} told to several requests", told.len());
    assert!(told.len() > 4, "renewals worth checking");
}
