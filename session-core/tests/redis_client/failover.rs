//! Masters are killed, paused and resumed under a steady load.

use std::{sync::Arc, time::Duration};

use crate::common::{
    load::{Load, Report},
    support::{
        cluster::RedisCluster,
        proxy::{Harm, Proxy},
        sentinel::{RedisSentinel, until},
    },
    *,
};
use session_core::RedisBuilder;
use tokio::{
    task::block_in_place,
    time::{Instant, sleep},
};

/// The limit for the last error after a promotion: one second, and one more for a busy machine.
const RECOVERY: Duration = Duration::from_secs(2);
/// The limit for one request.
const TIMEOUT: Duration = Duration::from_millis(1100);
const QUIET: Duration = Duration::from_millis(500);

/// Returns three storages on separate handles, like those of three application servers.
fn handles(redis: &RedisBuilder) -> Vec<Arc<dyn Storage>> {
    let build = || redis.clone().build().unwrap();
    vec![
        Arc::new(RedisHashTableStorage::new(build())),
        Arc::new(RedisHashTableStorage::new(build())),
        Arc::new(RedisHashTableStorage::new(build())),
    ]
}

fn ids(count: usize) -> Vec<SessionId> {
    (0..count).map(|_| SessionId::random()).collect()
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill,
    /// When resumed, the old master still has its data and does not know that it was replaced.
    Pause,
}

async fn sentinel_failover(fault: Fault, wait_replicas: usize) -> Report {
    let mut sentinel = RedisSentinel::start();
    let redis = Redis::sentinel(sentinel.urls(), RedisSentinel::MASTER);
    let load = Load::start(&handles(&redis.wait_replicas(wait_replicas)), &ids(24)).await;
    // Stops the first sentinel that clients ask.
    sentinel.sentinels[0].pause();
    sleep(QUIET).await;

    let start = Instant::now();
    let new = block_in_place(|| {
        fault.inject(&mut sentinel.servers[0]);
        let promoted = || {
            let named = sentinel.named_by(1);
            (named != 0 && sentinel.servers[named].info("role") == "master").then_some(named)
        };
        until_some("a replica is promoted", promoted)
    });
    let promoted = Instant::now();
    sleep(RECOVERY).await;
    block_in_place(|| fault.undo(&mut sentinel.servers[0]));
    let confirmable = until_confirmable(&sentinel.servers[new], promoted, wait_replicas).await;
    sleep(QUIET).await;

    let report = Report::of(load.end().await);
    println!(
        "sentinel, {fault:?}, wait_replicas {wait_replicas}: promotion after {:?}, last error {:?} \
         after that; {report}",
        promoted - start,
        report.last_error_after(promoted)
    );
    report.assert_errors_only_within(start, confirmable + RECOVERY);
    assert!(report.percentile(1.0) < TIMEOUT + RECOVERY / 2, "{report}");
    report
}

async fn cluster_failover(fault: Fault, wait_replicas: usize) -> Report {
    let mut cluster = RedisCluster::start();
    let redis = Redis::cluster(cluster.urls());
    let ids = ids(24);
    let is_affected: Vec<_> =
        ids.iter().map(|id| cluster.owner(0, slot_of(id)) == Some(0)).collect();
    let load = Load::start(&handles(&redis.wait_replicas(wait_replicas)), &ids).await;
    sleep(QUIET).await;

    let start = Instant::now();
    let new = block_in_place(|| {
        fault.inject(&mut cluster.nodes[0]);
        let promoted = || cluster.owner(1, 0).filter(|owner| *owner != 0);
        until_some("the replica is promoted", promoted)
    });
    let promoted = Instant::now();
    sleep(RECOVERY).await;
    block_in_place(|| fault.undo(&mut cluster.nodes[0]));
    let confirmable = until_confirmable(&cluster.nodes[new], promoted, wait_replicas).await;
    sleep(QUIET).await;

    let (mut affected, mut unaffected) = (Vec::new(), Vec::new());
    for (report, is_affected) in load.end().await.into_iter().zip(is_affected) {
        if is_affected { affected.push(report) } else { unaffected.push(report) }
    }
    let (affected, unaffected) = (Report::of(affected), Report::of(unaffected));
    println!(
        "cluster, {fault:?}, wait_replicas {wait_replicas}: promotion after {:?}, last error {:?} \
         after that; on that master {affected}; on the others {unaffected}",
        promoted - start,
        affected.last_error_after(promoted)
    );
    affected.assert_errors_only_within(start, confirmable + RECOVERY);
    assert!(affected.percentile(1.0) < TIMEOUT + RECOVERY / 2, "{affected}");
    // Sessions on other masters are not affected.
    assert!(unaffected.wrong.is_empty() && unaffected.errors.is_empty(), "{unaffected}");
    assert_eq!(unaffected.lost, 0);
    assert!(unaffected.percentile(0.95) < Duration::from_millis(250), "{unaffected}");
    affected
}

/// Waits until the new master can have writes confirmed, if that is required. Returns that time.
async fn until_confirmable(master: &RedisServer, promoted: Instant, replicas: usize) -> Instant {
    if replicas == 0 {
        return promoted;
    }
    block_in_place(|| until("a replica follows the new master", || master.replicas() > 0));
    Instant::now()
}

fn until_some<T>(what: &str, mut found: impl FnMut() -> Option<T>) -> T {
    let mut result = None;
    until(what, || {
        result = found();
        result.is_some()
    });
    result.unwrap()
}

impl Fault {
    fn inject(self, server: &mut RedisServer) {
        match self {
            Self::Kill => server.kill(),
            Self::Pause => server.pause(),
        }
    }

    fn undo(self, server: &mut RedisServer) {
        match self {
            Self::Kill => server.restart(),
            Self::Pause => server.resume(),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g8_sentinel_the_master_is_killed() {
    sentinel_failover(Fault::Kill, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g7_sentinel_no_confirmed_write_is_lost() {
    assert_eq!(sentinel_failover(Fault::Kill, 1).await.lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g8_sentinel_the_master_is_paused_and_resumed() {
    sentinel_failover(Fault::Pause, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g8_cluster_a_master_is_killed() {
    cluster_failover(Fault::Kill, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g7_cluster_no_confirmed_write_is_lost() {
    assert_eq!(cluster_failover(Fault::Kill, 1).await.lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g8_cluster_a_master_is_paused_and_resumed() {
    cluster_failover(Fault::Pause, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_request_fails_while_slots_move_and_a_node_joins_and_leaves() {
    let mut cluster = RedisCluster::start();
    // Sessions in the slots that move, and some others.
    let mut ids: Vec<_> =
        std::iter::repeat_with(SessionId::random).filter(|id| slot_of(id) < 400).take(16).collect();
    ids.extend(self::ids(8));
    let storages = handles(&Redis::cluster(cluster.urls()));
    let load = Load::start(&storages, &ids).await;
    let start = Instant::now();
    block_in_place(|| {
        cluster.reshard(0, 1, 400);
        let new = cluster.add_node();
        cluster.reshard(1, new, 300);
        cluster.reshard(0, new, 100);
        cluster.reshard(new, 2, 400);
        cluster.remove_node();
    });
    let took = start.elapsed();
    sleep(QUIET).await;
    let report = Report::of(load.end().await);
    println!("cluster, resharded within {took:?}: {report}");
    assert!(report.wrong.is_empty() && report.errors.is_empty(), "{report}: {:?}", report.wrong);
    assert_eq!(report.lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_sentinel_slow_sentinels_are_given_time_to_answer() {
    let sentinel = RedisSentinel::start();
    let slow = sentinel.sentinels.iter().map(|sentinel| {
        let proxy = Proxy::before(sentinel.port());
        proxy.harm(Harm::Delay(Duration::from_millis(150)));
        proxy
    });
    let slow: Vec<Proxy> = slow.collect();
    let redis = Redis::sentinel(slow.iter().map(Proxy::url), RedisSentinel::MASTER);
    let storage = RedisHashTableStorage::new(redis.build().unwrap());
    let start = Instant::now();
    while let Err(error) = storage.get_session(&id("a")).await {
        assert!(start.elapsed() < Duration::from_secs(10), "{error:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
