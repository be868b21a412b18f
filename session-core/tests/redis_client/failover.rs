//! Masters die, stop and come back under a steady load.

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

/// After the promotion everything is well again within a second; a busy machine may add one.
const RECOVERY: Duration = Duration::from_secs(2);
/// Longer takes no request.
const TIMEOUT: Duration = Duration::from_millis(1100);
const QUIET: Duration = Duration::from_millis(500);

/// Three handles, as of three servers.
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
    /// The old master comes back with all it had, and does not know yet that it is none.
    Stop,
}

async fn sentinel_failover(fault: Fault, wait_replicas: usize) -> Report {
    let mut sentinel = RedisSentinel::start();
    let redis = Redis::sentinel(sentinel.urls(), RedisSentinel::MASTER);
    let load = Load::start(&handles(&redis.wait_replicas(wait_replicas)), &ids(24)).await;
    // One that never answers is no hindrance, although it is the first that is asked.
    sentinel.sentinels[0].pause();
    sleep(QUIET).await;

    let begin = Instant::now();
    let new = block_in_place(|| {
        fault.befall(&mut sentinel.servers[0]);
        let promoted = || {
            let named = sentinel.named_by(1);
            (named != 0 && sentinel.servers[named].info("role") == "master").then_some(named)
        };
        until_some("a replica is promoted", promoted)
    });
    let promoted = Instant::now();
    sleep(RECOVERY).await;
    block_in_place(|| fault.pass(&mut sentinel.servers[0]));
    let whole = until_followed(&sentinel.servers[new], promoted, wait_replicas).await;
    sleep(QUIET).await;

    let report = Report::of(load.end().await);
    println!(
        "sentinel, {fault:?}, wait_replicas {wait_replicas}: promotion after {:?}, last error {:?} \
         after that; {report}",
        promoted - begin,
        report.last_error_after(promoted)
    );
    report.assert_errors_only_within(begin, whole + RECOVERY);
    assert!(report.time_of(1.0) < TIMEOUT + RECOVERY / 2, "{report}");
    report
}

async fn cluster_failover(fault: Fault, wait_replicas: usize) -> Report {
    let mut cluster = RedisCluster::start();
    let redis = Redis::cluster(cluster.urls());
    let ids = ids(24);
    let concerned: Vec<_> = ids.iter().map(|id| cluster.owner(0, slot_of(id)) == Some(0)).collect();
    let load = Load::start(&handles(&redis.wait_replicas(wait_replicas)), &ids).await;
    sleep(QUIET).await;

    let begin = Instant::now();
    let new = block_in_place(|| {
        fault.befall(&mut cluster.nodes[0]);
        let promoted = || cluster.owner(1, 0).filter(|owner| *owner != 0);
        until_some("the replica is promoted", promoted)
    });
    let promoted = Instant::now();
    sleep(RECOVERY).await;
    block_in_place(|| fault.pass(&mut cluster.nodes[0]));
    let whole = until_followed(&cluster.nodes[new], promoted, wait_replicas).await;
    sleep(QUIET).await;

    let (mut there, mut elsewhere) = (Vec::new(), Vec::new());
    for (report, concerned) in load.end().await.into_iter().zip(concerned) {
        if concerned { there.push(report) } else { elsewhere.push(report) }
    }
    let (there, elsewhere) = (Report::of(there), Report::of(elsewhere));
    println!(
        "cluster, {fault:?}, wait_replicas {wait_replicas}: promotion after {:?}, last error {:?} \
         after that; on that master {there}; on the others {elsewhere}",
        promoted - begin,
        there.last_error_after(promoted)
    );
    there.assert_errors_only_within(begin, whole + RECOVERY);
    assert!(there.time_of(1.0) < TIMEOUT + RECOVERY / 2, "{there}");
    // Sessions on other masters take no notice.
    assert!(elsewhere.wrong.is_empty() && elsewhere.errors.is_empty(), "{elsewhere}");
    assert_eq!(elsewhere.lost, 0);
    assert!(elsewhere.time_of(0.95) < Duration::from_millis(250), "{elsewhere}");
    there
}

/// Where writes are confirmed, they are again once the new master has a replica.
async fn until_followed(master: &RedisServer, promoted: Instant, replicas: usize) -> Instant {
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
    fn befall(self, server: &mut RedisServer) {
        match self {
            Self::Kill => server.kill(),
            Self::Stop => server.pause(),
        }
    }

    fn pass(self, server: &mut RedisServer) {
        match self {
            Self::Kill => server.restart(),
            Self::Stop => server.resume(),
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
async fn g8_sentinel_the_master_stops_and_comes_back() {
    sentinel_failover(Fault::Stop, 0).await;
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
async fn g8_cluster_a_master_stops_and_comes_back() {
    cluster_failover(Fault::Stop, 0).await;
}

/// Slots of all clients move to and fro, a node joins and leaves, and nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn slots_move_nodes_join_and_leave_and_no_request_fails() {
    let mut cluster = RedisCluster::start();
    // The first slots, which move first, and some others.
    let mut ids: Vec<_> =
        std::iter::repeat_with(SessionId::random).filter(|id| slot_of(id) < 400).take(16).collect();
    ids.extend(self::ids(8));
    let storages = handles(&Redis::cluster(cluster.urls()));
    let load = Load::start(&storages, &ids).await;
    let begin = Instant::now();
    block_in_place(|| {
        cluster.reshard(0, 1, 400);
        let new = cluster.add_node();
        cluster.reshard(1, new, 300);
        cluster.reshard(0, new, 100);
        cluster.reshard(new, 2, 400);
        cluster.remove_node();
    });
    let took = begin.elapsed();
    sleep(QUIET).await;
    let report = Report::of(load.end().await);
    println!("cluster, resharded within {took:?}: {report}");
    assert!(report.wrong.is_empty() && report.errors.is_empty(), "{report}: {:?}", report.wrong);
    assert_eq!(report.lost, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_sentinel_slow_sentinels_are_waited_for() {
    let sentinel = RedisSentinel::start();
    let slow = sentinel.sentinels.iter().map(|sentinel| {
        let proxy = Proxy::before(sentinel.port());
        proxy.harm(Harm::Delay(Duration::from_millis(150)));
        proxy
    });
    let slow: Vec<Proxy> = slow.collect();
    let redis = Redis::sentinel(slow.iter().map(Proxy::url), RedisSentinel::MASTER);
    let storage = RedisHashTableStorage::new(redis.build().unwrap());
    let begin = Instant::now();
    while let Err(error) = storage.get_session(&id("a")).await {
        assert!(begin.elapsed() < Duration::from_secs(10), "{error:?}");
        sleep(Duration::from_millis(20)).await;
    }
}
