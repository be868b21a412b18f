//! Writes that replicas must confirm.

use std::time::Duration;

use crate::common::{
    support::{
        proxy::{Harm, Proxy},
        sentinel::until,
    },
    *,
};
use session_core::Error;
use tokio::time::Instant;

const TIMEOUT: Duration = Duration::from_millis(500);

/// A master and a replica that is connected to it through a proxy.
struct Pair {
    master: RedisServer,
    replication: Proxy,
    replica: RedisServer,
}

impl Pair {
    fn start() -> Self {
        let master = RedisServer::start_with(&["--repl-diskless-sync-delay", "0"]);
        let replication = Proxy::before(master.port());
        let port = replication.url().rsplit(':').next().unwrap().to_owned();
        let replica = RedisServer::start_with(&["--replicaof", "127.0.0.1", &port]);
        until("replication is up", || master.is_confirmed_by(1));
        Self { master, replication, replica }
    }

    fn storages(&self, url: &str, replicas: usize) -> [Box<dyn Storage>; 2] {
        let redis = Redis::builder(url).response_timeout(TIMEOUT).wait_replicas(replicas);
        let redis = redis.build().unwrap();
        [
            Box::new(RedisKeyValueStorage::new(redis.clone())),
            Box::new(RedisHashTableStorage::new(redis)),
        ]
    }
}

#[tokio::test]
async fn g7_a_write_that_no_replica_confirms_fails_and_delays_no_read() {
    for kind in 0..2 {
        let pair = Pair::start();
        let storage = &pair.storages(&pair.master.url(), 1)[kind];
        let id = SessionId::random();
        let created = storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await;
        assert_eq!(created.unwrap(), Written::Saved);
        let key = format!("session:{}", id.as_str());
        assert_eq!(pair.replica.cli(&["EXISTS", &key]), "1", "the replica has the key already");

        pair.replication.harm(Harm::Swallow);
        let start = Instant::now();
        let change = changes(r#"{"a":2}"#, &[]);
        let write = storage.set_session(&id, &change, UPDATE);
        let reads = async {
            let mut slowest = Duration::ZERO;
            for _ in 0..50 {
                let start = Instant::now();
                storage.get_session(&id).await.unwrap();
                slowest = slowest.max(start.elapsed());
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
            slowest
        };
        let (written, slowest) = tokio::join!(write, reads);
        let Err(Error::Storage(reason)) = written else { panic!("{written:?}") };
        assert_eq!(reason.to_string(), "redis: too few replicas have confirmed the write");
        let time = start.elapsed();
        assert!(time >= TIMEOUT && time < TIMEOUT + Duration::from_millis(100), "{time:?}");
        assert!(slowest < Duration::from_millis(100), "a read took {slowest:?}");
    }
}

#[tokio::test]
async fn g7_a_confirmed_write_survives_the_master_and_an_unconfirmed_one_may_not() {
    let mut pair = Pair::start();
    let [confirmed, _] = pair.storages(&pair.master.url(), 1);
    let [unconfirmed, _] = pair.storages(&pair.master.url(), 0);
    let (kept, lost) = (id("kept"), id("lost"));
    let item = changes(r#"{"a":1}"#, &[]);
    assert_eq!(confirmed.set_session(&kept, &item, CREATE).await.unwrap(), Written::Saved);
    pair.replication.harm(Harm::Swallow);
    assert_eq!(unconfirmed.set_session(&lost, &item, CREATE).await.unwrap(), Written::Saved);
    assert!(confirmed.set_session(&id("third"), &item, CREATE).await.is_err());

    pair.master.kill();
    pair.replica.cli(&["REPLICAOF", "NO", "ONE"]);
    let [promoted, _] = pair.storages(&pair.replica.url(), 0);
    assert_eq!(json(&*promoted, &kept).await, r#"{"a":1}"#);
    assert_eq!(json(&*promoted, &lost).await, "none", "an unconfirmed write is lost");
}

#[tokio::test]
async fn concurrent_writers_share_waits() {
    let pair = Pair::start();
    let proxy = Proxy::before(pair.master.port());
    let [_, hash] = pair.storages(&proxy.url(), 1);
    let ids: Vec<_> = (0..50).map(|_| SessionId::random()).collect();
    let item = changes(r#"{"a":1}"#, &[]);
    hash.set_session(&id("warm"), &item, CREATE).await.unwrap();
    proxy.reset();
    let writes = ids.iter().map(|id| hash.set_session(id, &item, CREATE));
    for written in futures_util::future::join_all(writes).await {
        assert_eq!(written.unwrap(), Written::Saved);
    }
    let waits = proxy.commands().iter().filter(|name| *name == "WAIT").count();
    println!("{waits} WAIT commands for {} writes", ids.len());
    assert!((1..=10).contains(&waits), "{waits}");
    for id in &ids {
        let key = format!("session:{}", id.as_str());
        assert_eq!(pair.replica.cli(&["EXISTS", &key]), "1");
    }
}
