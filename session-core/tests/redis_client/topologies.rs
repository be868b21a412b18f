//! Sentinel and Cluster keep the contract of a single server.

use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};

use crate::common::{
    stress::{After, stale_rounds},
    support::{cluster::RedisCluster, sentinel::RedisSentinel},
    *,
};
use session_core::{
    EncryptionKey, HashedIds, IntoStorage, KeyRing, RedisBuilder, RenameOptions, Sealed,
    conformance,
};

/// Returns the rounds of the near-cache stress test: `NEAR_CACHE_ROUNDS`, or 20.
fn rounds() -> u64 {
    std::env::var("NEAR_CACHE_ROUNDS").map_or(20, |rounds| rounds.parse().unwrap())
}

async fn assert_conformance(redis: RedisBuilder) {
    let build = || redis.clone().build().unwrap();
    conformance::run(async || RedisKeyValueStorage::new(build())).await.unwrap();
    conformance::run(async || RedisHashTableStorage::new(build())).await.unwrap();
    let near = || redis.clone().near_cache(1 << 20).build().unwrap();
    conformance::run(async || RedisKeyValueStorage::new(near())).await.unwrap();
}

async fn assert_never_stale(redis: &RedisBuilder, rounds: u64, disturb: impl Fn()) {
    let other = RedisKeyValueStorage::new(redis.clone().build().unwrap());
    let near = redis.clone().near_cache(1 << 20).build().unwrap();
    let storage = Arc::new(RedisKeyValueStorage::new(near.clone()));
    let disturb = async |_: &SessionId| {
        disturb();
        After::Exists
    };
    assert_eq!(stale_rounds(&other, rounds, 8, storage, disturb).await, 0);
    let stats = near.near_cache_stats().unwrap();
    assert!(stats.hits > stats.misses, "most reads are hits: {stats:?}");
}

fn kill_connections(server: &RedisServer) {
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_storages_keep_the_contract_behind_sentinels() {
    let sentinel = RedisSentinel::start();
    let redis = Redis::sentinel(sentinel.urls(), RedisSentinel::MASTER);
    assert_conformance(redis).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_storages_keep_the_contract_in_a_cluster() {
    let cluster = RedisCluster::start();
    assert_conformance(Redis::cluster(cluster.urls())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_storages_keep_the_contract_in_a_cluster_with_hashed_ids_and_encrypted_items() {
    let cluster = RedisCluster::start();
    let build = || Redis::cluster(cluster.urls()).build().unwrap();
    let keys = KeyRing::new([EncryptionKey::random()]).unwrap();
    let sealed = || Sealed::new(RedisKeyValueStorage::new(build()), keys.clone());
    conformance::run(async || HashedIds::new(sealed()).into_storage()).await.unwrap();
    let sealed = || Sealed::new(RedisHashTableStorage::new(build()), keys.clone());
    conformance::run(async || HashedIds::new(sealed()).into_storage()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_near_cache_is_never_stale_behind_sentinels() {
    let sentinel = RedisSentinel::start();
    let redis = Redis::sentinel(sentinel.urls(), RedisSentinel::MASTER);
    assert_never_stale(&redis, rounds(), || {}).await;
    assert_never_stale(&redis, rounds(), || kill_connections(&sentinel.servers[0])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_near_cache_is_never_stale_in_a_cluster() {
    let cluster = RedisCluster::start_with(3, false, |_| Vec::new());
    let redis = Redis::cluster(cluster.urls());
    assert_never_stale(&redis, rounds(), || {}).await;
    assert_never_stale(&redis, rounds(), || cluster.nodes.iter().for_each(kill_connections)).await;
}

#[tokio::test]
async fn g4_a_rename_across_slots_that_is_dropped_at_any_step_loses_nothing() {
    let cluster = RedisCluster::start_with(3, false, |_| Vec::new());
    let redis = Redis::cluster(cluster.urls()).build().unwrap();
    for storage in [
        Box::new(RedisKeyValueStorage::new(redis.clone())) as Box<dyn Storage>,
        Box::new(RedisHashTableStorage::new(redis)),
    ] {
        let mut steps = 0;
        for polls in 0.. {
            let (from, to) = (SessionId::random(), SessionId::random());
            let items = changes(r#"{"a":1,"b":2}"#, &[]);
            storage.set_session(&from, &items, CREATE).await.unwrap();
            if completes_within(polls, storage.rename(&from, &to, RenameOptions::default())).await {
                assert_eq!(json(&*storage, &from).await, "none");
                assert_eq!(json(&*storage, &to).await, r#"{"a":1,"b":2}"#);
                steps = polls;
                break;
            }
            // Commands sent before the drop may still take effect.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let (old, new) = (json(&*storage, &from).await, json(&*storage, &to).await);
            assert!([&old, &new].contains(&&r#"{"a":1,"b":2}"#.to_owned()), "{old} {new}");
            for id in [&from, &to] {
                let left = storage.expires_in(id).await.unwrap();
                assert!(left.is_none_or(|left| left <= TTL), "{left:?}");
            }
        }
        println!("dropped at each of {steps} steps: {storage:?}");
        assert!(steps >= 4, "{steps}");
    }
}

/// Polls a rename at most `limit` times and drops it then. Returns whether it has completed.
async fn completes_within(limit: usize, rename: impl Future<Output = Result<bool>>) -> bool {
    let (mut rename, mut polls) = (pin!(rename), 0);
    poll_fn(|context| {
        if polls == limit {
            return Poll::Ready(false);
        }
        polls += 1;
        rename.as_mut().poll(context).map(|renamed| renamed.unwrap())
    })
    .await
}

/// Returns how many commands all nodes have executed. Asking a node counts as one.
fn executed(cluster: &RedisCluster) -> u64 {
    let count = |node: &RedisServer| node.info("total_commands_processed").parse::<u64>().unwrap();
    cluster.nodes.iter().map(count).sum()
}

#[tokio::test]
async fn a_near_cache_miss_in_a_cluster_is_one_command_and_a_hit_none() {
    let cluster = RedisCluster::start_with(3, false, |_| Vec::new());
    let near = Redis::cluster(cluster.urls()).near_cache(1 << 20).build().unwrap();
    let storage = RedisKeyValueStorage::new(near);
    let other = RedisKeyValueStorage::new(Redis::cluster(cluster.urls()).build().unwrap());
    let ids: Vec<SessionId> = (0..10).map(|_| SessionId::random()).collect();
    for id in &ids {
        other.set_session(id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
        // Opens the connection, so that its commands are not counted.
        storage.get_session(id).await.unwrap();
        other.set_session(id, &changes(r#"{"a":2}"#, &[]), UPDATE).await.unwrap();
    }
    tokio::time::sleep(Duration::from_millis(50)).await;
    for id in &ids {
        let read = async || {
            assert_eq!(json(&storage, id).await, r#"{"a":2}"#);
            executed(&cluster)
        };
        let before = executed(&cluster);
        let asking = executed(&cluster) - before;
        let before = executed(&cluster);
        let missed = read().await;
        let hit = read().await;
        let commands = [missed - before, hit - missed].map(|count| count - asking);
        assert_eq!(commands, [1, 0], "a miss, and a hit");
    }
}
