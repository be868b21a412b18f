//! Concurrent writers.

use std::{slice::from_ref, sync::Arc, time::Duration};

use crate::common::{
    support::proxy::{Harm, Proxy},
    *,
};
use tokio::task::JoinSet;

const WRITERS: usize = 50;

/// Lets 50 tasks, spread over `storages`, each set a key of its own, and calls `meanwhile` while
/// they run. Returns the results of the writes.
async fn write_concurrently(
    storages: &[Arc<dyn Storage>],
    id: &SessionId,
    meanwhile: impl FnOnce(),
) -> Vec<Written> {
    let writers: Vec<_> = (0..WRITERS)
        .map(|n| {
            let (storage, id) = (storages[n % storages.len()].clone(), id.clone());
            tokio::spawn(async move {
                let change = changes(&format!(r#"{{"key{n}":{n}}}"#), &[]);
                storage.set_session(&id, &change, UPDATE).await.unwrap()
            })
        })
        .collect();
    meanwhile();
    let mut written = Vec::new();
    for writer in writers {
        written.push(writer.await.unwrap());
    }
    written
}

type Open = fn(&str) -> Arc<dyn Storage>;

fn kinds() -> [Open; 2] {
    [
        |url| Arc::new(RedisKeyValueStorage::new(Redis::builder(url).build().unwrap())),
        |url| Arc::new(RedisHashTableStorage::new(Redis::builder(url).build().unwrap())),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g1_concurrent_changes_of_different_keys_lose_nothing() {
    let server = RedisServer::start();
    for storage in kinds() {
        for handles in [1, 2] {
            let storages: Vec<_> = (0..handles).map(|_| storage(&server.url())).collect();
            let id = SessionId::random();
            let padding = format!(r#"{{"padding":"{}"}}"#, "x".repeat(10_000));
            storages[0].set_session(&id, &changes(&padding, &[]), CREATE).await.unwrap();
            let written = write_concurrently(&storages, &id, || {}).await;
            assert_eq!(written, vec![Written::Saved; WRITERS]);
            let session = storages[0].get_session(&id).await.unwrap().unwrap();
            assert_eq!(session.len(), WRITERS + 1, "{handles} handles of {:?}", storages[0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g1_scripts_forgotten_during_writes_lose_nothing() {
    let server = RedisServer::start();
    for storage in kinds() {
        let (storage, id) = (storage(&server.url()), SessionId::random());
        storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
        let flush = || drop(server.cli(&["SCRIPT", "FLUSH"]));
        let written = write_concurrently(from_ref(&storage), &id, flush).await;
        assert_eq!(written, vec![Written::Saved; WRITERS]);
        assert_eq!(storage.get_session(&id).await.unwrap().unwrap().len(), WRITERS + 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g2_a_removal_is_final_whatever_is_in_flight() {
    let server = RedisServer::start();
    for storage in kinds() {
        let storages = [storage(&server.url()), storage(&server.url())];
        for _ in 0..5 {
            let id = SessionId::random();
            storages[0].set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
            let (remover, removed) = (storages[1].clone(), id.clone());
            let mut removal = None;
            write_concurrently(&storages, &id, || {
                let remove = async move { remover.remove_all(&removed, None).await };
                removal = Some(tokio::spawn(remove));
            })
            .await;
            assert!(removal.unwrap().await.unwrap().unwrap());
            assert!(storages[0].get_session(&id).await.unwrap().is_none(), "{:?}", storages[0]);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g4_a_renewal_among_writers_keeps_what_was_acknowledged() {
    let server = RedisServer::start();
    for storage in kinds() {
        let storage = storage(&server.url());
        assert_renewal_loses_nothing(&storage, storage.clone()).await;
        assert_renewal_loses_nothing(&storage, Arc::new(RenamesByCopying(storage.clone()))).await;
    }
}

async fn assert_renewal_loses_nothing(storage: &Arc<dyn Storage>, renewer: Arc<dyn Storage>) {
    let (id, to) = (SessionId::random(), SessionId::random());
    storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    let (from, new) = (id.clone(), to.clone());
    let mut renewal = None;
    let written = write_concurrently(from_ref(storage), &id, || {
        renewal = Some(tokio::spawn(async move {
            renewer.rename(&from, &new, RenameOptions::default()).await
        }));
    })
    .await;
    assert!(renewal.unwrap().await.unwrap().unwrap());
    let session = storage.get_session(&to).await.unwrap().unwrap();
    let saved = written.iter().filter(|written| **written == Written::Saved).count();
    assert_eq!(session.len(), saved + 1, "{storage:?}");
    assert!(storage.get_session(&id).await.unwrap().is_none());
    let left = storage.expires_in(&to).await.unwrap().unwrap();
    assert!(left <= TTL && left > TTL - Duration::from_secs(10), "{left:?}");
}

#[tokio::test]
async fn writers_of_one_session_queue_after_a_conflict() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    let [key_value, _] = kinds();
    let (storage, id) = (key_value(&proxy.url()), SessionId::random());
    storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    // Loads the script into the server.
    storage.set_session(&id, &changes(r#"{"b":1}"#, &[]), UPDATE).await.unwrap();
    proxy.reset();
    let written = write_concurrently(from_ref(&storage), &id, || {}).await;
    assert_eq!(written, vec![Written::Saved; WRITERS]);
    // One read and two attempts each. Without the queue there are over a thousand attempts.
    let commands = proxy.commands().len();
    assert!(commands <= 3 * WRITERS + 10, "{commands} commands");
}

#[tokio::test]
async fn writers_dropped_in_the_queue_do_not_block_later_ones() {
    let server = RedisServer::start();
    let [key_value, _] = kinds();
    let (storage, id) = (key_value(&server.url()), SessionId::random());
    storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    for _ in 0..20 {
        let mut dropped = JoinSet::new();
        for n in 0..WRITERS {
            let (storage, id) = (storage.clone(), id.clone());
            dropped.spawn(async move {
                let change = changes(&format!(r#"{{"dropped{n}":1}}"#), &[]);
                storage.set_session(&id, &change, UPDATE).await
            });
        }
        // When the first has written, the others have had a conflict and queue.
        dropped.join_next().await.unwrap().unwrap().unwrap();
        dropped.shutdown().await;
    }
    let written = write_concurrently(from_ref(&storage), &id, || {}).await;
    assert_eq!(written, vec![Written::Saved; WRITERS]);
}

/// Runs `operation` over a delayed connection, and calls `meanwhile` after it has read and before
/// it writes.
async fn interrupt<T>(
    proxy: &Proxy,
    operation: impl Future<Output = T>,
    meanwhile: impl Fn(),
) -> T {
    let commands = proxy.commands().len();
    proxy.harm(Harm::Delay(Duration::from_millis(150)));
    let interfere = async {
        while proxy.commands().len() == commands {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        meanwhile();
    };
    let (outcome, ()) = tokio::join!(operation, interfere);
    proxy.harm(Harm::None);
    outcome
}

#[tokio::test]
async fn g1_changes_between_a_read_and_a_write_are_not_lost() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    let [key_value, hash] = kinds().map(|open| open(&proxy.url()));
    let (a, b) = (id("a"), id("b"));
    let seen = snapshot(r#"{"a":1,"b":2}"#);
    let set = changes(r#"{"a":1,"b":2}"#, &[]);

    key_value.set_session(&a, &set, CREATE).await.unwrap();
    let other = || drop(server.cli(&["SET", "session:a", r#"{"b":2,"c":3}"#, "KEEPTTL"]));
    let change = changes(r#"{"d":4}"#, &[]);
    let update = key_value.set_session(&a, &change, UPDATE);
    assert_eq!(interrupt(&proxy, update, other).await.unwrap(), Written::Saved);
    assert_eq!(json(&*key_value, &a).await, r#"{"b":2,"c":3,"d":4}"#);
    let delete = || drop(server.cli(&["DEL", "session:a"]));
    // One that has written nothing, and so has to read.
    let [key_value, _] = kinds().map(|open| open(&proxy.url()));
    let update = key_value.set_session(&a, &change, UPDATE);
    assert_eq!(interrupt(&proxy, update, delete).await.unwrap(), Written::Refused);

    key_value.set_session(&a, &set, CREATE).await.unwrap();
    let spoil = || drop(server.cli(&["SET", "session:a", "edited"]));
    assert!(!interrupt(&proxy, key_value.remove_all(&a, None), spoil).await.unwrap());
    assert_eq!(server.cli(&["GET", "session:a"]), "edited");

    hash.set_session(&b, &set, CREATE).await.unwrap();
    for command in [["HDEL", "session:b", "a"], ["HINCRBY", "session:b", "a"]] {
        let other = || drop(server.cli(&[&command[..], &["1"]].concat()));
        let removal = hash.remove_all(&b, Some(&seen));
        assert!(!interrupt(&proxy, removal, other).await.unwrap());
        assert_ne!(json(&*hash, &b).await, "none");
        hash.set_session(&b, &set, UPDATE).await.unwrap();
    }
}
