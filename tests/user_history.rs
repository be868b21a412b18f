//! Histories of users who log in and end sessions on several servers, checked against the rules.
//!
//! `HISTORY_SEED` fixes what each browser requests, and which servers are killed (default: random).

#[path = "support/demo.rs"]
mod demo;
mod support;

#[allow(dead_code, reason = "the moments do not matter here")]
#[path = "failover/outage.rs"]
mod outage;
#[allow(dead_code, reason = "there are no applications and no clusters here")]
#[path = "failover/redis_group.rs"]
mod redis_group;
#[path = "user_history/mod.rs"]
mod user_history;

use std::{
    thread,
    time::{Duration, Instant},
};

use demo::{server::Server, store::Store};
use outage::Outage;
use redis_group::RedisGroup;
use support::{redis::RedisServer, sentinel::RedisSentinel};
use user_history::{check::Conditions, run::Run};

const LENGTH: Duration = Duration::from_secs(4);
const GRACE: Duration = Duration::from_millis(250);
const RENEWS: [(&str, &str); 2] =
    [("DEMO__SESSION__RENEW_AFTER", "600ms"), ("DEMO__SESSION__GRACE", "250ms")];
/// Much shorter than an outage, so that requests fail during it.
const TIMEOUT: [(&str, &str); 1] = [("DEMO__REDIS__RESPONSE_TIMEOUT", "300ms")];

/// The percentage of requests that log in or end sessions. Where they are many, a fault finds some
/// of them under way. Where they are few, sessions are older: old enough for a renewal, or to be
/// known to a replica when their end is not.
const VERY_MANY_ENDS: u8 = 40;
const MANY_ENDS: u8 = 16;
const FEW_ENDS: u8 = 6;
const VERY_FEW_ENDS: u8 = 2;

#[test]
fn g17_histories_of_users_are_consistent_in_files() {
    run("file", &Store::file());
}

#[test]
fn g17_histories_of_users_are_consistent_in_redis_strings() {
    run("redis-key-value", &Store::key_value());
}

#[test]
fn g17_histories_of_users_are_consistent_in_redis_hashes() {
    run("redis-hash-table", &Store::hash_table());
}

#[test]
fn g17_histories_of_users_with_renewals_are_consistent_in_files() {
    run_with_renewals("file, renewals", &Store::file());
}

#[test]
fn g17_histories_of_users_with_renewals_are_consistent_in_redis_strings() {
    run_with_renewals("redis-key-value, renewals", &Store::key_value());
}

#[test]
fn g17_histories_of_users_with_renewals_are_consistent_in_redis_hashes() {
    run_with_renewals("redis-hash-table, renewals", &Store::hash_table());
}

#[test]
fn g17_histories_of_users_with_killed_servers_are_consistent() {
    for store in [Store::file(), Store::key_value(), Store::hash_table()] {
        let conditions = Conditions { failures: &[0], ..Conditions::default() };
        let mut run = Run::begin("killed servers", serve(&store, &[]), VERY_MANY_ENDS, conditions);
        run.kill_servers(LENGTH);
        run.end();
    }
}

#[test]
fn g17_histories_of_users_with_a_stopped_redis_are_consistent() {
    for store in [Store::key_value(), Store::hash_table()] {
        let conditions = Conditions { failures: &[0, 503], ..Conditions::default() };
        let mut run =
            Run::begin("stopped Redis", serve(&store, &TIMEOUT), VERY_MANY_ENDS, conditions);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..4 {
                    thread::sleep(LENGTH / 8);
                    store.redis().pause();
                    thread::sleep(LENGTH / 8);
                    store.redis().resume();
                }
            });
            run.kill_servers(LENGTH);
        });
        run.end();
    }
}

#[test]
fn g17_histories_of_users_are_consistent_when_redis_is_restarted_from_its_log() {
    let redis = || RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    for mut store in [Store::KeyValue(redis()), Store::HashTable(redis())] {
        let conditions = Conditions { failures: &[503], ..Conditions::default() };
        let run =
            Run::begin("restarted Redis", serve(&store, &TIMEOUT), VERY_MANY_ENDS, conditions);
        for _ in 0..8 {
            thread::sleep(LENGTH / 8);
            store.redis_mut().kill();
            store.redis_mut().restart();
        }
        thread::sleep(LENGTH / 8);
        run.end();
    }
}

#[test]
fn g17_histories_of_users_are_consistent_when_sentinels_fail_over() {
    let mut runs = (0..5).map(|_| fail_over());
    assert!(runs.any(|elections| elections == 1), "one of five runs has no second election");
}

/// Kills the master under the load of servers for each Redis storage. Returns the number of
/// elections: after a second one nothing is guaranteed, so nothing is checked.
fn fail_over() -> usize {
    let mut redis = RedisGroup::Sentinel(RedisSentinel::start());
    let settings = redis.settings();
    let runs = ["redis-key-value", "redis-hash-table"].map(|backend| {
        let prefix = format!("{backend}:");
        let own = [
            ("DEMO__SESSION__BACKEND", backend),
            ("DEMO__REDIS__PREFIX", &prefix),
            ("DEMO__REDIS__WAIT_REPLICAS", "1"),
        ];
        let settings = settings.iter().map(|(name, value)| (*name, value.as_str()));
        let settings: Vec<_> = settings.chain(own).chain(TIMEOUT).collect();
        let servers = (0..3).map(|_| Server::start(&settings)).collect();
        let conditions = Conditions { failures: &[503], ..Conditions::default() };
        Run::begin(&format!("{backend}, failover"), servers, FEW_ENDS, conditions)
    });
    thread::sleep(LENGTH / 4);
    let (_, elections) = Outage::cause(&mut redis, 1, Instant::now());
    for run in runs {
        match elections {
            1 => run.end(),
            _ => run.give_up(),
        }
    }
    elections
}

fn run(what: &str, store: &Store) {
    let run = Run::begin(what, serve(store, &[]), MANY_ENDS, Conditions::default());
    thread::sleep(LENGTH);
    run.end();
}

fn run_with_renewals(what: &str, store: &Store) {
    let conditions = Conditions { grace: Some(GRACE), ..Conditions::default() };
    let run = Run::begin(what, serve(store, &RENEWS), VERY_FEW_ENDS, conditions);
    thread::sleep(LENGTH);
    run.end();
}

fn serve(store: &Store, settings: &[(&str, &str)]) -> Vec<Server> {
    (0..3).map(|_| store.serve(settings)).collect()
}
