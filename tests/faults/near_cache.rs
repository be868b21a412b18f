//! Faults while the servers have near caches.
//!
//! A server must know its own acknowledged writes at once, whatever happens to its connection, and
//! those of other servers within a second, the maximum age of a cache entry.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    demo::{alone::alone, server::Server},
    fault_run::{AllowedErrors, FaultRun},
    history::load::Plan,
    redis::serve,
    support::{
        proxy::{Harm, Proxy},
        redis::RedisServer,
    },
};

/// The maximum age of a cache entry.
const MAX_AGE: Duration = Duration::from_secs(1);

#[test]
fn g8_near_cache_entries_expire_while_redis_is_stopped() {
    let _alone = alone();
    let redis = RedisServer::start();
    let figures = begin("near cache: SIGSTOP, SIGCONT", &redis.url())
        .inject(|_| {
            redis.pause();
            sleep(Duration::from_millis(1200));
            redis.resume();
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_near_cache_entries_are_dropped_when_redis_restarts_empty() {
    let _alone = alone();
    let mut redis = RedisServer::start();
    let figures = begin("near cache: SIGKILL, restart empty", &redis.url())
        .expecting_data_loss()
        .inject(|_| {
            redis.kill();
            sleep(Duration::from_millis(500));
            redis.restart();
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_near_cache_entries_are_dropped_with_a_killed_connection() {
    let _alone = alone();
    let redis = RedisServer::start();
    begin("near cache: CLIENT KILL, 20 times", &redis.url())
        .inject(|_| {
            for _ in 0..20 {
                redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
                sleep(Duration::from_millis(30));
            }
        })
        .end(AllowedErrors::Unavailable);
}

#[test]
fn g8_near_cache_entries_are_invalidated_by_late_announcements_too() {
    let _alone = alone();
    let (_redis, proxy) = behind_proxy();
    begin("near cache: answers 30 ms late", &proxy.url())
        .inject(|_| {
            proxy.harm(Harm::Delay(Duration::from_millis(30)));
            sleep(Duration::from_millis(1200));
            proxy.harm(Harm::None);
        })
        .end(AllowedErrors::Unavailable);
}

#[test]
fn g8_near_cache_entries_expire_while_redis_never_answers() {
    let _alone = alone();
    let (_redis, proxy) = behind_proxy();
    let figures = begin("near cache: accepts, never answers", &proxy.url())
        .inject(|_| {
            proxy.harm(Harm::Swallow);
            sleep(Duration::from_millis(1200));
            // The connections that have lost data are unusable.
            proxy.cut();
            proxy.harm(Harm::None);
            proxy.cut();
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g7_near_cache_stores_no_answer_that_was_cut_off_at_any_byte() {
    let _alone = alone();
    let (_redis, proxy) = behind_proxy();
    let figures = begin("near cache: answers cut off", &proxy.url())
        .inject(|_| {
            let end = Instant::now() + Duration::from_millis(1000);
            // Announcements and answers are longer than those without near caches.
            for length in (0..40).cycle().take_while(|_| Instant::now() < end) {
                proxy.harm(Harm::Truncate(length));
                sleep(Duration::from_millis(20));
            }
            proxy.harm(Harm::None);
        })
        .end(AllowedErrors::Unavailable);
    assert!(figures.unavailable > 0);
}

/// Starts servers with near caches, which only the strings storage has.
fn begin(fault: &'static str, url: &str) -> FaultRun {
    let settings = [("DEMO__REDIS__NEAR_CACHE", "16MiB")];
    let servers: Vec<Server> = serve(url, "redis-key-value", "string:", &settings);
    // What a cached session shows to an operation that counts or takes may be as old.
    let plan = Plan { browsers: 4, counts: false, ..Plan::new() };
    FaultRun::begin_with(plan, fault, vec![servers]).with_near_cache(MAX_AGE)
}

fn behind_proxy() -> (RedisServer, Proxy) {
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    (redis, proxy)
}
