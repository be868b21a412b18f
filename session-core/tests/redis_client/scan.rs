//! Listing the sessions of real servers.

use std::collections::BTreeSet;

use crate::common::{
    support::{cluster::RedisCluster, sentinel::RedisSentinel},
    *,
};
use session_core::RedisBuilder;

async fn create(storage: &dyn Storage, count: usize) -> BTreeSet<SessionId> {
    let mut created = BTreeSet::new();
    for _ in 0..count {
        let id = SessionId::random();
        storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
        created.insert(id);
    }
    created
}

/// Returns the ids on all pages, and the number of pages.
async fn scan(storage: &dyn Storage) -> (BTreeSet<SessionId>, usize) {
    let (scanner, mut found, mut next) = (storage.scanner().unwrap(), BTreeSet::new(), None);
    for pages in 1..1000 {
        let page = scanner.scan(next.as_deref()).await.unwrap();
        assert!(page.ids.len() < 1000, "{} ids on a page", page.ids.len());
        found.extend(page.ids);
        next = page.next;
        if next.is_none() {
            return (found, pages);
        }
    }
    panic!("the pages have no end")
}

fn pair(redis: RedisBuilder) -> [Box<dyn Storage>; 2] {
    let redis = redis.build().unwrap();
    [
        Box::new(RedisKeyValueStorage::new(redis.clone())),
        Box::new(RedisHashTableStorage::new(redis)),
    ]
}

#[tokio::test]
async fn both_storages_list_their_own_sessions_without_keys() {
    let server = RedisServer::start();
    let other = pair(Redis::builder(server.url()).prefix("axb:"));
    let storages = pair(Redis::builder(server.url()).prefix("a*b:"));
    for storage in &other {
        create(&**storage, 10).await;
    }
    for key in ["a*b:@bob", "a*b:x y", "a*b:"] {
        server.cli(&["SET", key, "{}"]);
    }
    for storage in &storages {
        let created = create(&**storage, 1500).await;
        let (found, pages) = scan(&**storage).await;
        assert_eq!(found, created);
        assert!(pages >= 3, "{pages} pages");
        assert!(storage.scanner().unwrap().scan(Some("x")).await.is_err());
    }
    let commands = server.cli(&["INFO", "commandstats"]).to_lowercase();
    assert!(commands.contains("cmdstat_scan:") && !commands.contains("cmdstat_keys:"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_masters_of_a_cluster_are_asked() {
    let cluster = RedisCluster::start_with(3, false, |_| Vec::new());
    for storage in pair(Redis::cluster(cluster.urls())) {
        let created = create(&*storage, 1200).await;
        assert_eq!(scan(&*storage).await.0, created);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_master_of_sentinels_is_asked() {
    let sentinel = RedisSentinel::start();
    for storage in pair(Redis::sentinel(sentinel.urls(), RedisSentinel::MASTER)) {
        let created = create(&*storage, 20).await;
        assert_eq!(scan(&*storage).await.0, created);
    }
}
