//! Failovers and resharding under the load of three servers for each Redis storage and an
//! application with a login.
//!
//! Where writes are confirmed, clients also count and take items: no acknowledged increment may be
//! lost. Each test does its change once, or repeatedly for `HISTORY_SECONDS`. The tests run one at
//! a time because they measure time. With `RELIABILITY_TABLE=1` they write their figures into
//! `docs/RELIABILITY.md`.

#[path = "support/demo.rs"]
mod demo;
#[path = "history/mod.rs"]
mod history;
mod support;

#[path = "failover/failover_run.rs"]
mod failover_run;
#[path = "failover/figures.rs"]
mod figures;
#[allow(dead_code, reason = "the time of the request does not matter here")]
#[path = "faults/health_probe.rs"]
mod health_probe;
#[path = "failover/outage.rs"]
mod outage;
#[path = "failover/redis_group.rs"]
mod redis_group;
#[path = "failover/rollback.rs"]
mod rollback;
/// Tests that the rules excuse only lost writes.
#[path = "failover/rollback_tests.rs"]
mod rollback_tests;
#[path = "faults/table.rs"]
mod table;

use std::time::{Duration, Instant};

use demo::alone::alone;
use failover_run::{FailoverRun, Traffic};
use history::{load::duration_or, rule::Renewal};
use outage::Outage;
use redis_group::RedisGroup;
use support::{cluster::RedisCluster, sentinel::RedisSentinel};

/// A renewal that is carried out at the end of its request leaves a marker that is gone before the
/// new id is due.
const RENEWAL: Renewal =
    Renewal { after: Duration::from_millis(1500), grace: Duration::from_millis(400) };
/// The number of consecutive slots that move, and the number of slots with keys.
const SLOTS: usize = 100;
const SLOTS_IN_USE: usize = 8;

#[test]
fn g8_a_sentinel_failover_loses_only_unreplicated_writes() {
    let _alone = alone();
    let lost = fail_over(sentinel, 0, None);
    assert!(lost > 0, "without a lost write this test would prove nothing");
}

#[test]
fn g7_a_sentinel_failover_loses_no_confirmed_write() {
    let _alone = alone();
    assert_eq!(fail_over(sentinel, 1, None), 0);
}

#[test]
fn g14_histories_with_renewals_are_consistent_when_sentinels_fail_over() {
    let _alone = alone();
    assert_eq!(fail_over(sentinel, 1, Some(RENEWAL)), 0);
}

#[test]
fn g8_a_cluster_failover_loses_only_unreplicated_writes() {
    let _alone = alone();
    // A third of the sessions is on this master. Few or none of their writes may be lost.
    fail_over(cluster, 0, None);
}

#[test]
fn g7_a_cluster_failover_loses_no_confirmed_write() {
    let _alone = alone();
    assert_eq!(fail_over(cluster, 1, None), 0);
}

#[test]
fn g14_histories_with_renewals_are_consistent_when_a_cluster_fails_over() {
    let _alone = alone();
    assert_eq!(fail_over(cluster, 1, Some(RENEWAL)), 0);
}

#[test]
fn g7_no_request_fails_while_slots_move_and_nodes_join_and_leave() {
    let _alone = alone();
    let traffic = Traffic { logins: true, counts: false, renewal: None };
    let mut run = FailoverRun::begin("Cluster: slots move", cluster(), 0, traffic);
    repeat(|| {
        let RedisGroup::Cluster(cluster) = &mut run.redis else { unreachable!("just made") };
        cluster.reshard(0, 1, SLOTS);
        let moved_to_master = cluster.move_slots_in_use(0, 1, SLOTS_IN_USE);
        let new = cluster.add_node();
        cluster.reshard(1, new, SLOTS);
        let moved_to_new = cluster.move_slots_in_use(2, new, SLOTS_IN_USE);
        assert!(moved_to_master > 0 && moved_to_new > 0, "there were sessions to move");
        cluster.reshard(new, 0, SLOTS + moved_to_new);
        cluster.remove_node();
        run.count();
    });
    let figures = run.end(&[]);
    assert_eq!((figures.errors, figures.lost), (0, 0));
}

fn sentinel() -> RedisGroup {
    RedisGroup::Sentinel(RedisSentinel::start())
}

fn cluster() -> RedisGroup {
    RedisGroup::Cluster(RedisCluster::start())
}

/// Kills masters and returns the number of lost acknowledged writes. Repeats a run in which a
/// failover had a second election.
///
/// A sentinel that missed the election may start another one and replace the healthy new master by
/// a replica that has fewer writes. Redis guarantees nothing in that case.
fn fail_over(start: fn() -> RedisGroup, wait_replicas: usize, renewal: Option<Renewal>) -> usize {
    let mut runs = (0..5).filter_map(|_| kill_masters(start(), wait_replicas, renewal));
    runs.next().expect("one of five runs has no second election")
}

/// Kills the master. Returns the number of lost acknowledged writes, or `None` if a failover had a
/// second election.
fn kill_masters(
    redis: RedisGroup,
    wait_replicas: usize,
    renewal: Option<Renewal>,
) -> Option<usize> {
    let renews = if renewal.is_some() { ", ids renewed by themselves" } else { "" };
    let redis_name = redis.name();
    let name = format!("{redis_name}: master killed, `wait_replicas = {wait_replicas}`{renews}");
    // If a renewal involves two masters and only one of them loses its part, a session exists
    // twice. After several such renewals there are too many possible losses to check them all.
    let logins = wait_replicas > 0 || matches!(redis, RedisGroup::Sentinel(_));
    let traffic = Traffic { logins, counts: wait_replicas > 0, renewal };
    let mut run = FailoverRun::begin(&name, redis, wait_replicas, traffic);
    let (mut outages, mut elections) = (Vec::new(), 0);
    repeat(|| {
        let (outage, held) = Outage::cause(&mut run.redis, wait_replicas, run.load_clock);
        elections += held;
        outages.push(outage);
        run.count();
    });
    if elections > outages.len() {
        println!(
            "{name}: {elections} elections after {} kills; the run is repeated",
            outages.len()
        );
        run.give_up();
        return None;
    }
    Some(run.end(&outages).lost)
}

/// Calls `round` once, or repeatedly for `HISTORY_SECONDS`.
fn repeat(mut round: impl FnMut()) {
    let end = Instant::now() + duration_or(Duration::ZERO);
    loop {
        round();
        if Instant::now() >= end {
            return;
        }
    }
}
