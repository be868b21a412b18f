//! The commands that each operation sends.

use std::sync::Arc;

use crate::common::{support::proxy::Proxy, *};
use session_core::{EncryptionKey, KeyRing, Manager, Sealed};

struct Wire {
    proxy: Proxy,
    storage: Box<dyn Storage>,
    server: RedisServer,
}

impl Wire {
    /// Opens a storage's connection and lets the server load its scripts.
    async fn open(storage: impl Fn(Redis) -> Box<dyn Storage>) -> Self {
        let server = RedisServer::start();
        let proxy = Proxy::before(server.port());
        let storage = storage(Redis::builder(proxy.url()).build().unwrap());
        let (id, other) = (id("warm"), id("up"));
        storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
        storage.set_session(&id, &changes(r#"{"a":2}"#, &[]), UPDATE).await.unwrap();
        storage.update_ttl(&id, TtlRange::at_least(TTL)).await.unwrap();
        storage.rename(&id, &other, RenameOptions::default()).await.unwrap();
        storage.get_size(&other).await.unwrap();
        let seen = storage.get_session(&other).await.unwrap();
        storage.remove_all(&other, seen.as_ref()).await.unwrap();
        storage.remove_all(&other, None).await.unwrap();
        // Forgets the pipelined commands that opened the connection.
        proxy.reset();
        Self { proxy, storage, server }
    }

    /// Takes the commands sent since the last call. Asserts that each took a round trip of its own.
    fn sent(&self) -> Vec<String> {
        let commands = self.proxy.commands();
        assert_eq!(self.proxy.round_trips(), commands.len());
        self.proxy.reset();
        commands
    }

    /// Returns the command that compares and sets a string.
    fn swap(&self) -> &'static str {
        if compares_itself(&self.server) { "SET" } else { "EVALSHA" }
    }
}

/// Returns whether the server has a command that compares and sets a string.
fn compares_itself(server: &RedisServer) -> bool {
    !server.cli(&["SET", "x", "1", "IFEQ", "2"]).contains("syntax error")
}

#[tokio::test]
async fn key_value_reads_with_one_command_and_writes_with_at_most_two() {
    let wire = Wire::open(|redis| Box::new(RedisKeyValueStorage::new(redis))).await;
    let (a, b, storage) = (id("a"), id("b"), &wire.storage);
    let change = |json| changes(json, &[]);
    storage.set_session(&a, &change(r#"{"a":1}"#), CREATE).await.unwrap();
    assert_eq!(wire.sent(), ["SET"], "create");
    let seen = storage.get_session(&a).await.unwrap();
    assert_eq!(wire.sent(), ["GET"], "read");
    let update = SetOptions::update(TTL).seen(seen.as_ref());
    storage.set_session(&a, &change(r#"{"b":2}"#), update).await.unwrap();
    let swap = wire.swap();
    assert_eq!(wire.sent(), [swap], "update with a current snapshot");
    storage.set_session(&a, &change(r#"{"c":3}"#), UPDATE).await.unwrap();
    assert_eq!(wire.sent(), [swap], "update of what this process has written last");
    // `seen` is outdated by now. The answer of a script that says so contains the current text.
    storage.set_session(&a, &change(r#"{"d":4}"#), update).await.unwrap();
    let outdated = if swap == "SET" { &["SET", "GET", "SET"][..] } else { &[swap, swap] };
    assert_eq!(wire.sent(), outdated, "update with an outdated snapshot");
    wire.server.cli(&["SET", "session:a", r#"{"e":5}"#, "KEEPTTL"]);
    storage.set_session(&a, &change(r#"{"f":6}"#), UPDATE).await.unwrap();
    assert_eq!(wire.sent(), outdated, "update of what another process has written");
    assert_eq!(json(&**storage, &a).await, r#"{"e":5,"f":6}"#);
    wire.sent();
    storage.update_ttl(&a, TtlRange::at_least(TTL)).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "extension");
    storage.expires_in(&a).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "time left");
    storage.rename(&a, &b, RenameOptions::default()).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "rename");
    storage.set_session(&b, &change(r#"{"g":7}"#), UPDATE).await.unwrap();
    assert_eq!(wire.sent(), ["GET", swap], "update of what this process has not written");
    let seen = storage.get_session(&b).await.unwrap();
    wire.sent();
    storage.remove_all(&b, seen.as_ref()).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "removal with a snapshot");
    storage.remove_all(&b, None).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "removal of a missing session");
    storage.set_session(&b, &change(r#"{"name":"Zoë","n":-2.5e3}"#), CREATE).await.unwrap();
    storage.set_session(&b, &change(r#"{"n":1}"#), UPDATE).await.unwrap();
    wire.sent();
    assert!(storage.remove_all(&b, None).await.unwrap());
    assert_eq!(wire.sent(), ["EVALSHA"], "removal");
    // What has ended here was forgotten: it is not compared with a new session of the same id.
    for ended in [&a, &b] {
        storage.set_session(ended, &change(r#"{"n":1}"#), CREATE).await.unwrap();
        storage.set_session(ended, &change(r#"{"n":2}"#), UPDATE).await.unwrap();
        assert_eq!(wire.sent(), ["SET", "GET", swap], "{ended:?}");
        storage.set_session(ended, &change(r#"{"n":3}"#), UPDATE).await.unwrap();
        assert_eq!(wire.sent(), [swap], "{ended:?}");
    }
}

#[tokio::test]
async fn encrypted_items_take_no_round_trip_of_their_own() {
    let ring = |keys: &[&EncryptionKey]| KeyRing::new(keys.iter().copied().cloned()).unwrap();
    let [first, second] = [(); 2].map(|()| EncryptionKey::random());
    let wire = Wire::open(|redis| Box::new(RedisKeyValueStorage::new(redis))).await;
    let open = |ring| {
        let redis = Redis::builder(wire.proxy.url()).build().unwrap();
        Sealed::new(RedisKeyValueStorage::new(redis), ring)
    };
    let (a, swap) = (id("a"), wire.swap());
    let sealed = open(ring(&[&first]));
    // On a connection that knows whether the server compares.
    sealed.set_session(&id("x"), &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    sealed.set_session(&id("x"), &changes(r#"{"a":2}"#, &[]), UPDATE).await.unwrap();
    wire.storage.set_session(&a, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    wire.proxy.reset();
    for (what, expected) in [
        ("a plain session that this process has not written", &["GET", swap][..]),
        ("what this process has written last", &[swap]),
    ] {
        let written = sealed.set_session(&a, &changes(r#"{"b":2}"#, &[]), UPDATE).await.unwrap();
        assert_eq!(written, Written::Saved);
        assert_eq!(wire.sent(), expected, "{what}");
    }
    let rotated = open(ring(&[&second, &first]));
    rotated.set_session(&id("x"), &changes(r#"{"a":3}"#, &[]), UPDATE).await.unwrap();
    wire.proxy.reset();
    rotated.set_session(&a, &changes(r#"{"c":3}"#, &[]), UPDATE).await.unwrap();
    assert_eq!(wire.sent(), ["GET", swap], "a session of an older key");
    assert_eq!(json(&open(ring(&[&second])), &a).await, r#"{"a":1,"b":2,"c":3}"#);
}

#[tokio::test]
async fn the_servers_own_comparison_is_used_if_it_has_one() {
    let server = RedisServer::start();
    let has_one = compares_itself(&server);
    let proxy = Proxy::before(server.port());
    let storage = RedisKeyValueStorage::new(Redis::builder(proxy.url()).build().unwrap());
    let (a, change) = (id("a"), |value: usize| changes(&format!(r#"{{"a":{value}}}"#), &[]));
    storage.set_session(&a, &change(0), CREATE).await.unwrap();
    for connection in 0..2 {
        proxy.reset();
        for value in 1..=3 {
            let seen = storage.get_session(&a).await.unwrap();
            let update = SetOptions::update(TTL).seen(seen.as_ref());
            let written = storage.set_session(&a, &change(value), update).await.unwrap();
            assert_eq!(written, Written::Saved);
        }
        assert_eq!(json(&storage, &a).await, r#"{"a":3}"#);
        let commands = proxy.commands();
        let count = |name: &str| commands.iter().filter(|command| *command == name).count();
        // A server without it is asked once for each connection.
        assert_eq!(count("SET"), if has_one { 3 } else { 1 }, "{connection}: {commands:?}");
        assert_eq!(count("EVALSHA"), if has_one { 0 } else { 3 }, "{connection}: {commands:?}");
        server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
        // The next command finds out.
        while storage.get_session(&a).await.is_err() {}
    }
}

#[tokio::test]
async fn hash_table_takes_one_round_trip_per_operation() {
    let wire = Wire::open(|redis| Box::new(RedisHashTableStorage::new(redis))).await;
    let (a, b, storage) = (id("a"), id("b"), &wire.storage);
    let change = changes(r#"{"a":1,"b":"x"}"#, &["c"]);
    storage.set_session(&a, &change, CREATE).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "create");
    storage.set_session(&a, &change, UPDATE).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "update");
    storage.get(&a, "a").await.unwrap();
    assert_eq!(wire.sent(), ["HGET"], "get");
    storage.contains(&a, "a").await.unwrap();
    assert_eq!(wire.sent(), ["HEXISTS"], "contains");
    storage.get_size(&a).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "size");
    storage.get_session(&a).await.unwrap();
    assert_eq!(wire.sent(), ["HGETALL"], "whole session");
    storage.update_ttl(&a, TtlRange::at_least(TTL)).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "extension");
    storage.expires_in(&a).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "time left");
    storage.rename(&a, &b, RenameOptions::default()).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "rename");
    storage.remove_all(&b, None).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"], "removal");
}

#[tokio::test]
async fn requests_of_one_thread_share_a_connection_and_pipeline() {
    let wire = Wire::open(|redis| Box::new(RedisHashTableStorage::new(redis))).await;
    let id = id("a");
    wire.storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    wire.proxy.reset();
    let get = || wire.storage.get(&id, "a");
    let (one, two, three, four) = tokio::join!(get(), get(), get(), get());
    for answer in [one, two, three, four] {
        assert_eq!(answer.unwrap().unwrap().get(), "1");
    }
    assert_eq!(wire.proxy.commands(), ["HGET"; 4]);
    assert_eq!(wire.proxy.round_trips(), 1);
}

#[tokio::test]
async fn items_read_concurrently_by_one_session_share_a_round_trip() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    let redis = Redis::builder(proxy.url()).build().unwrap();
    let storage = Arc::new(RedisHashTableStorage::new(redis));
    storage.set_session(&id("a"), &changes(r#"{"a":1,"b":2}"#, &[]), CREATE).await.unwrap();
    let manager = Manager::builder(storage).build().unwrap();
    proxy.reset();
    let session = manager.open(Some(id("a")));
    let (one, two, none) =
        tokio::join!(session.get::<u8>("a"), session.get::<u8>("b"), session.get::<u8>("c"));
    assert_eq!((one.unwrap(), two.unwrap(), none.unwrap()), (Some(1), Some(2), None));
    assert_eq!((proxy.commands().len(), proxy.round_trips()), (3, 1));
}

#[tokio::test]
async fn scripts_that_the_server_has_forgotten_are_sent_again() {
    let wire = Wire::open(|redis| Box::new(RedisHashTableStorage::new(redis))).await;
    let id = id("a");
    wire.storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    wire.server.cli(&["SCRIPT", "FLUSH"]);
    wire.sent();
    let written = wire.storage.set_session(&id, &changes(r#"{"b":1}"#, &[]), UPDATE).await;
    assert_eq!(written.unwrap(), Written::Saved);
    assert_eq!(wire.sent(), ["EVALSHA", "EVAL"]);
    wire.storage.set_session(&id, &changes(r#"{"c":1}"#, &[]), UPDATE).await.unwrap();
    assert_eq!(wire.sent(), ["EVALSHA"]);
}

/// Counts the connections of storages: all but those that count, of which one may still be closing.
fn connections(server: &RedisServer) -> usize {
    server.cli(&["CLIENT", "LIST"]).lines().filter(|line| !line.contains("cmd=client")).count()
}

#[tokio::test]
async fn a_session_known_to_be_large_is_read_over_a_separate_connection() {
    let server = RedisServer::start();
    let connections = || connections(&server);
    let text = format!(r#"{{"large":"{}","small":1}}"#, "x".repeat(1 << 20));
    for (writer, reader) in storages(&server).iter().zip(storages(&server)) {
        let large = id("large");
        writer.set_session(&large, &changes(&text, &[]), CREATE).await.unwrap();
        let before = connections();
        assert!(reader.get(&large, "large").await.unwrap().is_some());
        assert_eq!(connections(), before + 1, "not known to be large yet");
        assert!(reader.get(&large, "large").await.unwrap().is_some());
        assert_eq!(connections(), before + 2);
        assert_eq!(reader.get(&large, "small").await.unwrap().unwrap().get(), "1");
        assert_eq!(json(&*reader, &large).await, text);
        assert_eq!(connections(), before + 2);
        assert!(writer.remove_all(&large, None).await.unwrap());
    }
}

#[tokio::test]
async fn only_large_sessions_use_a_separate_connection() {
    let server = RedisServer::start();
    let connections = || connections(&server);
    let storages = storages(&server);
    for storage in &storages {
        let before = connections();
        let (small, large) = (id("small"), id("large"));
        storage.set_session(&small, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
        storage.get_session(&small).await.unwrap();
        assert_eq!(connections(), before + 1);
        let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20));
        storage.set_session(&large, &changes(&text, &[]), CREATE).await.unwrap();
        assert_eq!(json(&**storage, &large).await, text);
        storage.set_session(&small, &changes(r#"{"a":2}"#, &[]), UPDATE).await.unwrap();
        assert_eq!(json(&**storage, &small).await, r#"{"a":2}"#);
        assert_eq!(connections(), before + 2);
        for id in [&small, &large] {
            assert!(storage.remove_all(id, None).await.unwrap());
        }
    }
}

/// Returns the numbers of the connections whose last command began like this.
fn last_sent(server: &RedisServer, command: &str) -> Vec<String> {
    let sent = format!("cmd={command}");
    let clients = server.cli(&["CLIENT", "LIST"]);
    let found = clients.lines().filter(|line| line.contains(&sent));
    found.filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect()
}

#[tokio::test]
async fn a_large_session_that_shrinks_is_read_as_others_are() {
    let server = RedisServer::start();
    let large = changes(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20)), &[]);
    let [small, shrunk] = [changes(r#"{"a":1}"#, &[]), changes("{}", &["a"])];
    let nodes = storages(&server).into_iter().zip(storages(&server));
    for ((storage, node), read) in nodes.zip(["get", "hgetall"]) {
        let id = id("shrinks");
        for changes in [&small, &shrunk] {
            storage.set_session(&id, &large, CREATE).await.unwrap();
            assert!(storage.get_session(&id).await.unwrap().is_some());
            node.set_session(&id, changes, UPDATE).await.unwrap();
            // Not known yet.
            storage.get_session(&id).await.unwrap();
            // Over the connection of small sessions, by a script that the server may not know yet.
            storage.expires_in(&id).await.unwrap();
            let of_others = last_sent(&server, "eval");
            storage.get_session(&id).await.unwrap();
            let read = last_sent(&server, read);
            assert!(of_others.iter().any(|connection| read.contains(connection)), "{read:?}");
            node.remove_all(&id, None).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_session_that_is_not_used_again_costs_no_write_of_its_time_to_live() {
    let interval = std::time::Duration::from_millis(100);
    type Open = fn(Redis) -> Box<dyn Storage>;
    let hash: Open = |redis| Box::new(RedisHashTableStorage::new(redis));
    let string: Open = |redis| Box::new(RedisKeyValueStorage::new(redis));
    for (open, create) in [(hash, "EVALSHA"), (string, "SET")] {
        let Wire { proxy, storage, server: _server } = Wire::open(open).await;
        let storage: Arc<dyn Storage> = storage.into();
        let manager = Manager::builder(storage).touch_interval(interval).build().unwrap();
        let session = manager.open(None);
        session.set("a", 1).await.unwrap();
        assert!(session.close().await.failure.is_none());
        tokio::time::sleep(interval * 4).await;
        assert_eq!(proxy.commands(), [create]);
        manager.flush().await;
        assert_eq!(proxy.commands(), [create]);
    }
}

#[tokio::test]
async fn lifetimes_take_no_round_trip_of_their_own() {
    type Open = fn(Redis) -> Arc<dyn Storage>;
    let hash: Open = |redis| Arc::new(RedisHashTableStorage::new(redis));
    let string: Open = |redis| Arc::new(RedisKeyValueStorage::new(redis));
    // Reading an item, changing it, adding to it, and reading the time left.
    let plain: [&[&str]; 4] = [&["HGET"], &["EVALSHA"], &["HMGET", "EVALSHA"], &["EVALSHA"]];
    let limited: [&[&str]; 4] = [&["HMGET"], &["EVALSHA"], &["HMGET", "EVALSHA"], &["EVALSHA"]];
    let swap = if compares_itself(&RedisServer::start()) { "SET" } else { "EVALSHA" };
    let whole: [&[&str]; 4] = [&["GET"], &[swap], &["GET", swap], &["EVALSHA"]];
    for (open, absolute, [get, set, update, left]) in [
        (hash, None, plain),
        (hash, Some(TTL * 10), limited),
        (string, None, whole),
        (string, Some(TTL * 10), whole),
    ] {
        let server = RedisServer::start();
        let proxy = Proxy::before(server.port());
        let storage = open(Redis::builder(proxy.url()).build().unwrap());
        let manager = Manager::builder(storage).ttl(TTL).absolute_ttl(absolute).build().unwrap();
        let session = manager.open(None);
        session.set("n", 1).await.unwrap();
        session.update_or("n", 0, |n| n + 1).await.unwrap();
        let id = session.id().await.unwrap();
        assert!(session.close().await.failure.is_none());
        // The next uses are within the touch interval, so that none is written.
        let session = manager.open(id.clone());
        session.get::<u32>("n").await.unwrap();
        session.expires_in().await.unwrap();
        assert!(session.close().await.failure.is_none());
        proxy.reset();
        let sent = || {
            let commands = proxy.commands();
            proxy.reset();
            commands
        };
        let session = manager.open(id.clone());
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(2));
        assert!(session.close().await.failure.is_none());
        assert_eq!(sent(), get, "{absolute:?}");
        let session = manager.open(id.clone());
        session.set("n", 3).await.unwrap();
        assert!(session.close().await.failure.is_none());
        // A request that only writes looks at the metadata, once per touch interval.
        let look: &[&str] = if absolute.is_some() { get } else { &[] };
        assert_eq!(sent(), [set, look].concat(), "{absolute:?}");
        let session = manager.open(id.clone());
        session.update_or("n", 0, |n| n + 1).await.unwrap();
        assert!(session.close().await.failure.is_none());
        assert_eq!(sent(), update, "{absolute:?}");
        let session = manager.open(id);
        assert_eq!(session.get::<u32>("n").await.unwrap(), Some(4));
        assert!(session.expires_in().await.unwrap().is_some());
        assert!(session.close().await.failure.is_none());
        assert_eq!(sent(), [get, left].concat(), "{absolute:?}");
    }
}
