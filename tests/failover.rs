//! Masters die, slots move and nodes come and go under three servers of each Redis storage, and
//! an application with a login.
//!
//! Each run does its worst once, or again and again for `HISTORY_SECONDS`. One at a time, since
//! they measure time. With `RELIABILITY_TABLE=1` the lines go into `docs/RELIABILITY.md`.

#[path = "support/demo.rs"]
mod demo;
#[path = "history/mod.rs"]
mod history;
mod support;

/// Shows that not everything is excused.
#[path = "failover/explained.rs"]
mod explained;
#[path = "failover/figures.rs"]
mod figures;
#[path = "failover/group.rs"]
mod group;
#[allow(dead_code, reason = "when it was asked does not matter here")]
#[path = "faults/health.rs"]
mod health;
#[path = "failover/rollback.rs"]
mod rollback;
#[path = "failover/run.rs"]
mod run;
#[path = "faults/table.rs"]
mod table;

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    thread::sleep,
    time::{Duration, Instant},
};

use group::Group;
use history::load::length_or;
use run::{Run, Window};
use support::{
    cluster::RedisCluster,
    sentinel::{RedisSentinel, until},
};

/// How long the replicas of a master hear nothing before it dies, so that there is something to
/// be lost.
const DEAF: Duration = Duration::from_millis(200);
/// Between two deaths, so that errors that come too late are seen.
const AFTERWARDS: Duration = Duration::from_millis(1500);
/// How long the other replica is waited for before the old master comes back.
const SOON: Duration = Duration::from_secs(10);
/// How many slots move in a row, whatever is in them, and how many of those that are in use.
const SLOTS: usize = 100;
const IN_USE: usize = 8;

#[test]
fn g8_the_master_of_sentinels_dies_and_only_unreplicated_writes_are_lost() {
    let _alone = alone();
    let lost = masters_die(sentinel, 0);
    assert!(lost > 0, "replicas that hear nothing lose something, or nothing is tested here");
}

#[test]
fn g7_the_master_of_sentinels_dies_and_no_confirmed_write_is_lost() {
    let _alone = alone();
    assert_eq!(masters_die(sentinel, 1), 0);
}

#[test]
fn g8_a_master_of_a_cluster_dies_and_only_unreplicated_writes_are_lost() {
    let _alone = alone();
    // Of a third of the sessions; there may be few or none.
    masters_die(cluster, 0);
}

#[test]
fn g7_a_master_of_a_cluster_dies_and_no_confirmed_write_is_lost() {
    let _alone = alone();
    assert_eq!(masters_die(cluster, 1), 0);
}

#[test]
fn g7_slots_move_nodes_join_and_leave_and_no_request_fails() {
    let _alone = alone();
    let mut run = Run::begin("Cluster: slots move", cluster(), 0, true);
    repeat(|| {
        let Group::Cluster(cluster) = &mut run.group else { unreachable!("just made") };
        cluster.reshard(0, 1, SLOTS);
        let there = cluster.move_slots_in_use(0, 1, IN_USE);
        let new = cluster.add_node();
        cluster.reshard(1, new, SLOTS);
        let here = cluster.move_slots_in_use(2, new, IN_USE);
        assert!(there > 0 && here > 0, "there were sessions to be moved");
        cluster.reshard(new, 0, SLOTS + here);
        cluster.remove_node();
        run.count();
    });
    let figures = run.end(&[]);
    assert_eq!((figures.errors, figures.lost), (0, 0));
}

fn sentinel() -> Group {
    Group::Sentinel(RedisSentinel::start())
}

fn cluster() -> Group {
    Group::Cluster(RedisCluster::start())
}

/// Returns how many acknowledged writes were lost where each death is followed by one election.
///
/// A sentinel that has missed the election may hold another one and depose the new master, which
/// is well, for a replica that has less: then there is nothing that anybody could promise.
fn masters_die(start: fn() -> Group, wait_replicas: usize) -> usize {
    let mut runs = (0..5).filter_map(|_| die_one_by_one(start(), wait_replicas));
    runs.next().expect("one of five runs without a second election")
}

/// Kills the master, waits for the next one, starts the old one again as its replica. Returns
/// how many acknowledged writes were lost; nothing if there was an election too many.
fn die_one_by_one(group: Group, wait_replicas: usize) -> Option<usize> {
    let name = format!("{}: master killed, `wait_replicas = {wait_replicas}`", group.name());
    // A renewal of which one master forgets its part, and another one does not, leaves a session
    // twice; after several of them there are too many ways in which something may have been lost.
    let logins = wait_replicas > 0 || matches!(group, Group::Sentinel(_));
    let mut run = Run::begin(&name, group, wait_replicas, logins);
    let (mut windows, mut elections) = (Vec::new(), 0);
    repeat(|| {
        let group = &mut run.group;
        let old = group.master().expect("there is one");
        // Sentinels take their time to notice one that is back.
        until("it has its replicas", || group.is_whole(old));
        let replicas = group.replicas(old);
        let election = group.election();
        let began = run.load_clock.elapsed();
        replicas.iter().for_each(|&replica| group.server(replica).pause());
        group.server(old).cli(&["CLIENT", "KILL", "TYPE", "replica"]);
        sleep(DEAF);
        group.server(old).kill();
        let killed = run.load_clock.elapsed();
        replicas.iter().for_each(|&replica| group.server(replica).resume());
        until("a replica is promoted", || group.master().is_some_and(|master| master != old));
        let promoted = run.load_clock.elapsed();
        sleep(AFTERWARDS);
        // Where writes are confirmed, they are again once the new master has a replica: another
        // one, if the sentinels see to it soon, or the old master.
        let is_followed = |group: &mut Group| {
            let master = group.master().filter(|master| *master != old);
            master.is_some_and(|master| group.server(master).replicas() > 0)
        };
        let soon = Instant::now() + SOON;
        while replicas.len() > 1 && !is_followed(group) && Instant::now() < soon {
            sleep(Duration::from_millis(20));
        }
        group.server(old).restart();
        until("the new master has a replica", || is_followed(group));
        let followed = run.load_clock.elapsed();
        sleep(AFTERWARDS);
        elections += 1 + usize::from(run.group.election() > election + 1);
        let writes_back = if wait_replicas == 0 { promoted } else { followed };
        windows.push(Window { began, killed, promoted, writes_back });
        run.count();
    });
    if elections > windows.len() {
        println!("{name}: {elections} elections, {} deaths; once more", windows.len());
        run.give_up();
        return None;
    }
    Some(run.end(&windows).lost)
}

/// Once, or for so long as is asked for.
fn repeat(mut round: impl FnMut()) {
    let end = Instant::now() + length_or(Duration::ZERO);
    loop {
        round();
        if Instant::now() >= end {
            return;
        }
    }
}

/// Waits until nothing else happens.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
