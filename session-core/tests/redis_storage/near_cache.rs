//! The near cache: reads without round trips, never stale.

use std::{sync::Arc, time::Duration};

use crate::common::{
    CREATE, RedisServer, TTL, UPDATE, changes, id,
    stress::{After, MAX_DELAY, QUIET, stale_rounds},
    support::proxy::Proxy,
};
use redis::{AsyncConnectionConfig, aio::MultiplexedConnection, caching::CacheConfig};
use session_core::{
    Changes, Redis, RedisKeyValueStorage, RenameOptions, Result, SessionId, SetOptions, Snapshot,
    Storage, TtlRange, Written,
};
use tokio::time::{Instant, sleep};

struct Near {
    redis: Redis,
    storage: Arc<RedisKeyValueStorage>,
}

fn near(url: &str) -> Near {
    let redis = Redis::builder(url).near_cache(1 << 20).build().unwrap();
    Near { storage: Arc::new(RedisKeyValueStorage::new(redis.clone())), redis }
}

fn uncached(server: &RedisServer) -> RedisKeyValueStorage {
    RedisKeyValueStorage::new(Redis::builder(server.url()).build().unwrap())
}

async fn set(storage: &impl Storage, id: &SessionId, n: u64) -> Written {
    let changes = changes(&format!("{{\"n\":{n}}}"), &[]);
    storage.set_session(id, &changes, UPDATE).await.unwrap()
}

async fn get(storage: &impl Storage, id: &SessionId) -> Option<u64> {
    storage.get_session(id).await.unwrap().map(|session| session.get("n").unwrap().unwrap())
}

async fn create(storage: &impl Storage, id: &SessionId) {
    let changes = changes("{\"n\":0}", &[]);
    assert_eq!(storage.set_session(id, &changes, CREATE).await.unwrap(), Written::Saved);
}

#[tokio::test]
async fn a_hot_read_makes_no_round_trip_and_a_write_makes_one() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    let near = near(&proxy.url());
    let id = id("a");
    create(&*near.storage, &id).await;
    set(&*near.storage, &id, 1).await;

    proxy.reset();
    for _ in 0..10 {
        assert_eq!(get(&*near.storage, &id).await, Some(1));
    }
    assert!(proxy.commands().is_empty(), "{:?}", proxy.commands());

    for n in 2..10 {
        proxy.reset();
        assert_eq!(set(&*near.storage, &id, n).await, Written::Saved);
        assert_eq!((proxy.commands().len(), proxy.round_trips()), (1, 1));
        proxy.reset();
        assert_eq!(
            get(&*near.storage, &id).await,
            Some(n),
            "an acknowledged write is visible at once"
        );
        // The invalidation caused by this write follows its answer, and must not remove the entry.
        sleep(QUIET).await;
        assert_eq!(get(&*near.storage, &id).await, Some(n));
        assert!(proxy.commands().is_empty(), "{:?}", proxy.commands());
    }
    let stats = near.redis.near_cache_stats().unwrap();
    assert!(stats.hits >= 26 && stats.misses <= 1 && stats.bytes > 0, "{stats:?}");
}

#[tokio::test]
async fn changes_by_other_clients_are_visible() {
    let server = RedisServer::start();
    let (near, other) = (near(&server.url()), uncached(&server));
    let id = id("a");
    create(&other, &id).await;
    let seen = async || {
        sleep(QUIET).await;
        get(&*near.storage, &id).await
    };
    assert_eq!(seen().await, Some(0));
    set(&other, &id, 1).await;
    assert_eq!(seen().await, Some(1));
    server.cli(&["SET", "session:a", "{\"n\":2}", "KEEPTTL"]);
    assert_eq!(seen().await, Some(2));
    other.rename(&id, &crate::common::id("b"), RenameOptions::default()).await.unwrap();
    assert_eq!(seen().await, None);
    other.rename(&crate::common::id("b"), &id, RenameOptions::default()).await.unwrap();
    assert_eq!(seen().await, Some(2));
    server.cli(&["DEL", "session:a"]);
    assert_eq!(seen().await, None);
    for flush in ["FLUSHALL", "FLUSHDB"] {
        create(&other, &id).await;
        assert_eq!(seen().await, Some(0));
        server.cli(&[flush]);
        assert_eq!(seen().await, None, "{flush}");
    }
    create(&other, &id).await;
    assert_eq!(seen().await, Some(0));
    other.remove_all(&id, None).await.unwrap();
    assert_eq!(seen().await, None);
}

#[tokio::test]
async fn an_acknowledged_removal_or_rename_is_visible_at_once_in_its_process() {
    let server = RedisServer::start();
    let near = near(&server.url());
    for n in 0..200 {
        let (first, second) = (id(&format!("a{n}")), id(&format!("b{n}")));
        create(&*near.storage, &first).await;
        assert_eq!(get(&*near.storage, &first).await, Some(0));
        assert!(near.storage.rename(&first, &second, RenameOptions::default()).await.unwrap());
        assert_eq!(get(&*near.storage, &first).await, None);
        assert_eq!(get(&*near.storage, &second).await, Some(0));
        assert!(near.storage.remove_all(&second, None).await.unwrap());
        assert_eq!(get(&*near.storage, &second).await, None);
    }
}

#[tokio::test]
async fn a_marker_is_never_cached() {
    let server = RedisServer::start();
    let near = near(&server.url());
    let (by_copying, by_script) = (id("a"), id("b"));
    for id in [&by_copying, &by_script] {
        create(&*near.storage, id).await;
        assert_eq!(get(&*near.storage, id).await, Some(0));
    }
    let seen = near.storage.get_session(&by_copying).await.unwrap().unwrap();
    // As a renewal in a cluster does.
    let retire = SetOptions::retire(&seen, TTL);
    let retired = near.storage.set_session(&by_copying, &Changes::new(), retire).await;
    assert_eq!(retired.unwrap(), Written::Saved);
    let grace = RenameOptions::grace(TTL);
    assert!(near.storage.rename(&by_script, &id("c"), grace).await.unwrap());
    for id in [by_copying, by_script] {
        assert!(near.storage.cached(&id).is_none());
        assert!(near.storage.get_session(&id).await.unwrap().unwrap().is_marker());
        assert!(near.storage.cached(&id).is_none());
    }
}

#[tokio::test]
async fn an_expired_session_is_served_for_less_than_a_second() {
    let server = RedisServer::start();
    let (near, other) = (near(&server.url()), uncached(&server));
    let id = id("a");
    let ttl = Duration::from_millis(300);
    other.set_session(&id, &changes("{\"n\":0}", &[]), SetOptions::create(ttl)).await.unwrap();
    let start = Instant::now();
    while get(&*near.storage, &id).await.is_some() {
        assert!(start.elapsed() < ttl + Duration::from_secs(1));
        sleep(QUIET).await;
    }
}

#[tokio::test]
async fn g8_while_the_server_is_paused_nothing_older_than_a_second_is_served() {
    let server = RedisServer::start();
    let near = near(&server.url());
    let id = id("a");
    create(&*near.storage, &id).await;
    assert_eq!(get(&*near.storage, &id).await, Some(0));
    server.pause();
    let start = Instant::now();
    while near.storage.get_session(&id).await.is_ok() {
        assert!(start.elapsed() < Duration::from_secs(1) + QUIET);
        sleep(QUIET).await;
    }
    server.resume();
    let resumed = Instant::now();
    while near.storage.get_session(&id).await.is_err() {
        assert!(resumed.elapsed() < Duration::from_secs(1));
        sleep(QUIET).await;
    }
}

/// Returns the rounds of the stress test: `NEAR_CACHE_ROUNDS`, or `default`.
fn rounds(default: u64) -> u64 {
    std::env::var("NEAR_CACHE_ROUNDS").map_or(default, |rounds| rounds.parse().unwrap())
}

async fn undisturbed(_: &SessionId) -> After {
    After::Exists
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hot_session_is_never_stale_five_milliseconds_after_a_write() {
    let server = RedisServer::start();
    for readers in [1, 8] {
        let near = near(&server.url());
        let (other, storage) = (uncached(&server), near.storage.clone());
        let stale = stale_rounds(&other, rounds(100), readers, storage, undisturbed).await;
        let stats = near.redis.near_cache_stats().unwrap();
        assert_eq!(stale, 0, "{readers} readers, {stats:?}");
        assert!(stats.hits > stats.misses, "most reads are hits: {stats:?}");
    }
}

async fn assert_never_stale(
    server: &RedisServer,
    rounds: u64,
    disturb: impl AsyncFn(&SessionId) -> After,
) {
    let storage = near(&server.url()).storage;
    assert_eq!(stale_rounds(&uncached(server), rounds, 8, storage, disturb).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hot_session_is_never_stale_after_connections_are_killed() {
    let server = RedisServer::start();
    let kill = async |_: &SessionId| {
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        After::Exists
    };
    assert_never_stale(&server, rounds(50), kill).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hot_session_is_never_stale_after_the_server_was_paused() {
    let server = RedisServer::start();
    let pause = async |_: &SessionId| {
        server.pause();
        sleep(QUIET).await;
        server.resume();
        After::Exists
    };
    assert_never_stale(&server, rounds(50), pause).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hot_session_is_never_read_after_it_was_removed_or_renamed() {
    let server = RedisServer::start();
    let other = uncached(&server);
    let remove = async |id: &SessionId| {
        assert!(other.remove_all(id, None).await.unwrap());
        After::Removed
    };
    let rename = async |id: &SessionId| {
        assert!(other.rename(id, &SessionId::random(), RenameOptions::default()).await.unwrap());
        After::Removed
    };
    assert_never_stale(&server, rounds(50), remove).await;
    assert_never_stale(&server, rounds(50), rename).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_hot_session_is_not_read_a_second_after_it_expired() {
    let server = RedisServer::start();
    // The server may send no invalidation. The maximum age of a cached session is the limit.
    let expire = async |id: &SessionId| {
        server.cli(&["PEXPIRE", &format!("session:{}", id.as_str()), "1"]);
        sleep(Duration::from_secs(1)).await;
        After::Removed
    };
    assert_never_stale(&server, 3, expire).await;
}

/// A storage that reads through the redis crate's own cache.
#[derive(Debug)]
struct CachedByTheCrate {
    connection: MultiplexedConnection,
    other: RedisKeyValueStorage,
}

#[async_trait::async_trait]
impl Storage for CachedByTheCrate {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        let mut get = redis::cmd("GET");
        get.arg(format!("session:{}", id.as_str()));
        let text: Option<String> = get.query_async(&mut self.connection.clone()).await.unwrap();
        Ok(text.and_then(|text| Snapshot::parse(text).unwrap()))
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        self.other.set_session(id, changes, options).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        self.other.update_ttl(id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        self.other.remove_all(id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.other.expires_in(id).await
    }
}

// That cache keeps an answer even if an invalidation has overtaken it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_stress_test_detects_stale_reads_of_the_redis_crates_cache() {
    let server = RedisServer::start();
    let client = redis::Client::open(format!("{}/?protocol=resp3", server.url())).unwrap();
    let config = AsyncConnectionConfig::new().set_cache_config(CacheConfig::new());
    let connection = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
    let other = uncached(&server);
    let cached = CachedByTheCrate { connection, other: uncached(&server) };
    let stale = stale_rounds(&other, 5, 8, Arc::new(cached), undisturbed).await;
    println!("stale reads in {stale} of 5 rounds");
    assert!(stale > 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writers_in_this_process_and_others_leave_nothing_stale() {
    let server = RedisServer::start();
    let (near, other) = (near(&server.url()), Arc::new(uncached(&server)));
    let id = id("a");
    create(&*near.storage, &id).await;
    for round in 0..100 {
        let write = |key: String, near: Option<Arc<RedisKeyValueStorage>>| {
            let (other, id) = (other.clone(), id.clone());
            tokio::spawn(async move {
                for n in 0..10 {
                    let value = round * 10 + n;
                    let changes = changes(&format!("{{\"{key}\":{value}}}"), &[]);
                    let update = SetOptions::update(TTL);
                    let Some(near) = &near else {
                        other.set_session(&id, &changes, update).await.unwrap();
                        continue;
                    };
                    near.set_session(&id, &changes, update).await.unwrap();
                    let read = near.get_session(&id).await.unwrap().unwrap();
                    let read: Option<u64> = read.get(&key).unwrap();
                    assert!(read >= Some(value), "an acknowledged write is visible: {read:?}");
                }
            })
        };
        let local = (0..4).map(|n| write(format!("local{n}"), Some(near.storage.clone())));
        let remote = (0..2).map(|n| write(format!("remote{n}"), None));
        for writer in local.chain(remote).collect::<Vec<_>>() {
            writer.await.unwrap();
        }
        sleep(QUIET).await;
        let agree = async || {
            let (cached, stored) = (near.storage.get_session(&id), other.get_session(&id));
            cached.await.unwrap() == stored.await.unwrap()
        };
        if !agree().await {
            sleep(MAX_DELAY).await;
            assert!(agree().await, "round {round}");
        }
    }
}
