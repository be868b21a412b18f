//! The same faults where servers keep what they have lately read.
//!
//! What a server has acknowledged itself it must know at once, whatever happens to its connection;
//! what others have, within a second, which no entry of a cache outlives.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use crate::{
    alone,
    demo::server::Server,
    ordeal::{Cost, Ordeal},
    redis::serve,
    support::{
        proxy::{Harm, Proxy},
        redis::RedisServer,
    },
};

/// How old an entry may get.
const LAG: Duration = Duration::from_secs(1);

#[test]
fn g8_near_a_stopped_redis_is_not_outlived_by_what_was_read() {
    let _alone = alone();
    let redis = RedisServer::start();
    let figures = begin("near cache: SIGSTOP, SIGCONT", &redis.url())
        .strike(|_| {
            redis.pause();
            sleep(Duration::from_millis(1200));
            redis.resume();
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_near_a_redis_restarted_empty_nothing_that_was_read_lives_on() {
    let _alone = alone();
    let mut redis = RedisServer::start();
    let figures = begin("near cache: SIGKILL, restart empty", &redis.url())
        .everything_will_be_lost()
        .strike(|_| {
            redis.kill();
            sleep(Duration::from_millis(500));
            redis.restart();
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g8_near_connections_that_are_killed_take_what_was_read_with_them() {
    let _alone = alone();
    let redis = RedisServer::start();
    begin("near cache: CLIENT KILL, 20 times", &redis.url())
        .strike(|_| {
            for _ in 0..20 {
                redis.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
                sleep(Duration::from_millis(30));
            }
        })
        .end(Cost::Unavailable);
}

#[test]
fn g8_near_a_slow_redis_announcements_that_come_late_are_still_heard() {
    let _alone = alone();
    let (_redis, proxy) = behind_proxy();
    begin("near cache: answers 30 ms late", &proxy.url())
        .strike(|_| {
            proxy.harm(Harm::Delay(Duration::from_millis(30)));
            sleep(Duration::from_millis(1200));
            proxy.harm(Harm::None);
        })
        .end(Cost::Unavailable);
}

#[test]
fn g8_near_a_redis_that_never_answers_nothing_is_served_for_long() {
    let _alone = alone();
    let (_redis, proxy) = behind_proxy();
    let figures = begin("near cache: accepts, never answers", &proxy.url())
        .strike(|_| {
            proxy.harm(Harm::Swallow);
            sleep(Duration::from_millis(1200));
            // What has been swallowed never arrives, so those connections cannot go on.
            proxy.cut();
            proxy.harm(Harm::None);
            proxy.cut();
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
}

#[test]
fn g7_near_answers_cut_off_at_any_byte_leave_nothing_half_read() {
    let _alone = alone();
    let (_redis, proxy) = behind_proxy();
    let figures = begin("near cache: answers cut off", &proxy.url())
        .strike(|_| {
            let end = Instant::now() + Duration::from_millis(1000);
            // Announcements and answers are longer than those of the storages without.
            for length in (0..40).cycle().take_while(|_| Instant::now() < end) {
                proxy.harm(Harm::Truncate(length));
                sleep(Duration::from_millis(20));
            }
            proxy.harm(Harm::None);
        })
        .end(Cost::Unavailable);
    assert!(figures.unavailable > 0);
}

/// Two servers with near caches, which only the strings have.
fn begin(fault: &'static str, url: &str) -> Ordeal {
    let near = [("DEMO__REDIS__NEAR_CACHE", "16MiB")];
    let servers: Vec<Server> = serve(url, "redis-key-value", "string:", &near);
    Ordeal::begin(fault, vec![servers]).kept_near(LAG)
}

fn behind_proxy() -> (RedisServer, Proxy) {
    let redis = RedisServer::start();
    let proxy = Proxy::before(redis.port());
    (redis, proxy)
}
