//! Faults of a Redis server. Both Redis storages use it, each with its own servers.

use std::{thread::sleep, time::Duration};

use crate::{
    demo::{
        alone::alone,
        server::{Server, eventually},
    },
    fault_run::{AllowedErrors, FaultRun, TIMEOUT, servers},
    support::redis::RedisServer,
};

#[test]
fn g8_a_stopped_redis_delays_no_request_beyond_the_timeout_and_is_used_again_at_once() {
    let _alone = alone();
    let redis = RedisServer::start();
    let figures = FaultRun::begin("SIGSTOP, SIGCONT", both(&redis.url()))
        .inject(|_| {
            redis.pause();
            sleep(Duration::from_millis(1500));
            redis.resume();
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
    let refusal = figures.typical_refusal.expect("some requests were answered 503");
    assert!(refusal < TIMEOUT / 5, "a 503 took {refusal:?} although Redis was known to be down");
}

#[test]
fn g8_a_redis_killed_and_restarted_empty_is_used_again_at_once() {
    let _alone = alone();
    let mut redis = RedisServer::start();
    let figures = FaultRun::begin("SIGKILL, restart empty", both(&redis.url()))
        .expecting_data_loss()
        .inject(|_| {
            redis.kill();
            sleep(Duration::from_millis(1000));
            redis.restart();
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g7_a_redis_killed_and_restarted_from_its_log_has_every_acknowledged_write() {
    let _alone = alone();
    let mut redis = RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "always"]);
    let figures = FaultRun::begin("SIGKILL, restart with AOF", both(&redis.url()))
        .inject(|_| {
            redis.kill();
            sleep(Duration::from_millis(500));
            redis.restart();
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_requests_succeed_again_once_redis_has_loaded_its_data() {
    let _alone = alone();
    let slowly = ["--key-load-delay", "100", "--loading-process-events-interval-bytes", "1024"];
    let log = ["--appendonly", "yes", "--appendfsync", "always"];
    let mut redis = RedisServer::start_with(&[&slowly[..], &log[..]].concat());
    let fill = "for n = 1, 5000 do redis.call('SET', 'fill:' .. n, n) end return 'filled'";
    assert_eq!(redis.cli(&["EVAL", fill, "0"]), "filled");
    let figures = FaultRun::begin("LOADING", both(&redis.url()))
        .inject(|_| {
            redis.kill();
            redis.restart();
            assert!(redis.cli(&["PING"]).starts_with("LOADING"));
            eventually("the end of loading", || redis.cli(&["PING"]) == "PONG");
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_killed_connections_are_replaced_and_lose_nothing() {
    let _alone = alone();
    let redis = RedisServer::start();
    FaultRun::begin("CLIENT KILL, 20 times", both(&redis.url()))
        .inject(|_| {
            for _ in 0..20 {
                redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
                sleep(Duration::from_millis(50));
            }
        })
        .end(AllowedErrors::Unavailable);
}

#[test]
fn g8_a_redis_that_accepts_fewer_clients_is_used_over_the_connections_there_are() {
    let _alone = alone();
    let redis = RedisServer::start();
    FaultRun::begin("fewer clients than threads", both(&redis.url()))
        .inject(|_| {
            // Four servers, and the client of this test.
            redis.cli(&["CONFIG", "SET", "maxclients", "5"]);
            redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            sleep(Duration::from_millis(1500));
            redis.cli(&["CONFIG", "SET", "maxclients", "10000"]);
        })
        .end(AllowedErrors::Unavailable);
}

#[test]
fn g8_flushed_scripts_are_reloaded_without_an_error() {
    let _alone = alone();
    let redis = RedisServer::start();
    FaultRun::begin("SCRIPT FLUSH, 20 times", both(&redis.url()))
        .inject(|_| {
            for _ in 0..20 {
                assert_eq!(redis.cli(&["SCRIPT", "FLUSH"]), "OK");
                sleep(Duration::from_millis(50));
            }
        })
        .end(AllowedErrors::None);
}

#[test]
fn g8_a_demoted_redis_refuses_writes_until_it_is_promoted_again() {
    let _alone = alone();
    let redis = RedisServer::start();
    let port = redis.port().to_string();
    let other = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
    let is_following = || redis.cli(&["INFO", "replication"]).contains("state=online");
    eventually("the replica", is_following);
    let figures = FaultRun::begin("READONLY after demotion", both(&redis.url()))
        .inject(|_| {
            // A planned failover, which loses no write.
            let to = other.port().to_string();
            assert_eq!(redis.cli(&["FAILOVER", "TO", "127.0.0.1", &to]), "OK");
            eventually("the demotion", || redis.cli(&["ROLE"]).starts_with("slave"));
            sleep(Duration::from_millis(1000));
            assert_eq!(redis.cli(&["REPLICAOF", "NO", "ONE"]), "OK");
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
    let refusal = figures.typical_refusal.expect("some requests were answered 503");
    assert!(
        refusal < TIMEOUT / 5,
        "a 503 took {refusal:?} although Redis was known to refuse writes"
    );
}

#[test]
fn g8_a_redis_out_of_memory_refuses_writes_and_still_reads() {
    let _alone = alone();
    let redis = RedisServer::start();
    let figures = FaultRun::begin("OOM under noeviction", both(&redis.url()))
        .inject(|_| {
            assert_eq!(redis.cli(&["CONFIG", "SET", "maxmemory", "1"]), "OK");
            sleep(Duration::from_millis(1000));
            assert_eq!(redis.cli(&["CONFIG", "SET", "maxmemory", "0"]), "OK");
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_a_changed_password_is_an_error_until_it_is_changed_back() {
    let _alone = alone();
    let redis = RedisServer::start();
    let figures = FaultRun::begin("AUTH changed", both(&redis.url()))
        .inject(|_| {
            assert_eq!(redis.cli(&["CONFIG", "SET", "requirepass", "other"]), "OK");
            redis.cli(&["-a", "other", "CLIENT", "KILL", "TYPE", "normal"]);
            sleep(Duration::from_millis(1000));
            let back = ["-a", "other", "CONFIG", "SET", "requirepass", ""];
            assert_eq!(redis.cli(&back), "OK");
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

/// Starts servers for each Redis storage.
pub(super) fn both(url: &str) -> Vec<Vec<Server>> {
    both_with(url, &[])
}

pub(super) fn both_with(url: &str, more: &[(&str, &str)]) -> Vec<Vec<Server>> {
    vec![
        serve(url, "redis-key-value", "string:", more),
        serve(url, "redis-hash-table", "hash:", more),
    ]
}

pub(super) fn serve(url: &str, backend: &str, prefix: &str, more: &[(&str, &str)]) -> Vec<Server> {
    let timeout = format!("{}ms", TIMEOUT.as_millis());
    let mut settings = vec![
        ("DEMO__SESSION__BACKEND", backend),
        ("DEMO__REDIS__URL", url),
        ("DEMO__REDIS__PREFIX", prefix),
        ("DEMO__REDIS__RESPONSE_TIMEOUT", timeout.as_str()),
        ("RUST_LOG", "info"),
    ];
    settings.extend_from_slice(more);
    servers(|| Server::start(&settings))
}
