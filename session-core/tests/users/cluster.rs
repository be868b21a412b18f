//! Users whose sessions and entries are in different slots of a cluster.

use crate::{common::support::cluster::RedisCluster, *};

#[tokio::test]
async fn g17_the_sessions_of_a_user_are_ended_on_every_shard() {
    let cluster = RedisCluster::start();
    let open = |prefix: &str| Redis::cluster(cluster.urls()).prefix(prefix).build().unwrap();
    let storages: [Arc<dyn Storage>; 2] = [
        Arc::new(RedisKeyValueStorage::new(open("a:"))),
        Arc::new(RedisHashTableStorage::new(open("b:"))),
    ];
    for storage in storages {
        let manager = || Manager::builder(Stored(storage.clone())).ttl(TTL).build().unwrap();
        let (one, other) = (manager(), manager());
        let mut ids = Vec::new();
        for number in 0..20 {
            let node = if number % 2 == 0 { &one } else { &other };
            let id = log_in(node, "bob").await;
            // Renewed between two slots.
            let session = node.open(Some(id));
            session.login("bob").await.unwrap();
            ids.push(issued(&session).await);
        }
        log_in(&one, "alice").await;
        assert_eq!(count(&one, "bob").await, 20, "{storage:?}");
        assert_eq!(other.end_all("bob").await.unwrap(), 20, "{storage:?}");
        for id in &ids {
            assert_eq!(user_of(&one, id).await, None, "{storage:?}");
        }
        assert_eq!(count(&other, "alice").await, 1, "{storage:?}");
    }
}
