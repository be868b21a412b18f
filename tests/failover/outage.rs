//! The outage of one master.

use std::{
    thread::sleep,
    time::{Duration, Instant},
};

use super::redis_group::RedisGroup;
use crate::support::sentinel::until;

/// The time for which the replicas are disconnected before their master is killed, so that there
/// are writes to lose.
const PARTITION: Duration = Duration::from_millis(200);
/// The time between two failovers, in which late errors are noticed.
const AFTER: Duration = Duration::from_millis(1500);
/// The time limit for another replica to follow the new master before the old one is restarted.
const REPLICA_WAIT: Duration = Duration::from_secs(10);

/// The moments of one outage, since the start of the run.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outage {
    /// The replicas were disconnected from the master.
    pub(super) began: Duration,
    pub(super) killed: Duration,
    /// A replica had become the new master.
    pub(super) promoted: Duration,
    /// The new master could confirm writes.
    pub(super) writes_back: Duration,
}

impl Outage {
    /// Kills the master, waits for a new one, and restarts the old one as its replica. Returns the
    /// number of elections, too, which is rarely 2.
    pub(super) fn cause(
        redis: &mut RedisGroup,
        wait_replicas: usize,
        run_clock: Instant,
    ) -> (Self, usize) {
        let old = redis.master().expect("a master");
        // Sentinels notice a restarted replica only after a while.
        until("the replicas of the master", || redis.is_complete(old));
        let replicas = redis.replicas(old);
        let election = redis.election();
        let began = run_clock.elapsed();
        replicas.iter().for_each(|&replica| redis.server(replica).pause());
        redis.server(old).cli(&["CLIENT", "KILL", "TYPE", "replica"]);
        sleep(PARTITION);
        redis.server(old).kill();
        let killed = run_clock.elapsed();
        replicas.iter().for_each(|&replica| redis.server(replica).resume());
        until("a promotion", || redis.master().is_some_and(|master| master != old));
        let promoted = run_clock.elapsed();
        sleep(AFTER);
        // With `wait_replicas`, writes succeed again once the new master has a replica: another one
        // if the sentinels reconfigure it in time, else the old master.
        let is_followed = |redis: &mut RedisGroup| {
            let master = redis.master().filter(|master| *master != old);
            master.is_some_and(|master| redis.server(master).replicas() > 0)
        };
        let deadline = Instant::now() + REPLICA_WAIT;
        while replicas.len() > 1 && !is_followed(redis) && Instant::now() < deadline {
            sleep(Duration::from_millis(20));
        }
        redis.server(old).restart();
        until("a replica of the new master", || is_followed(redis));
        let followed = run_clock.elapsed();
        sleep(AFTER);
        let elections = 1 + usize::from(redis.election() > election + 1);
        let writes_back = if wait_replicas == 0 { promoted } else { followed };
        (Self { began, killed, promoted, writes_back }, elections)
    }
}
