//! The stored records: their form and their times to live.

use std::time::Duration;

use crate::common::*;
use serde_json::value::RawValue;
use session_core::MAX_TTL;

#[tokio::test]
async fn key_value_stores_the_json_text_that_goframe_reads() {
    let server = RedisServer::start();
    let storage = RedisKeyValueStorage::new(handle(&server));
    let items = changes(r#"{"time":1795247990,"n":2.50,"e":1E5,"big":18446744073709551615}"#, &[]);
    assert_eq!(storage.set_session(&id("a"), &items, CREATE).await.unwrap(), Written::Saved);
    let stored = r#"{"big":18446744073709551615,"e":1E5,"n":2.50,"time":1795247990}"#;
    assert_eq!(server.cli(&["GET", "session:a"]), stored);
    assert_eq!(server.cli(&["TYPE", "session:a"]), "string");
}

#[tokio::test]
async fn hash_table_stores_the_fields_that_goframe_reads() {
    let server = RedisServer::start();
    let storage = RedisHashTableStorage::new(handle(&server));
    let items = changes(
        r#"{"time":1795247990,"name":"bob","digits":"12","list":[1,{"a":2}],"yes":true}"#,
        &[],
    );
    assert_eq!(storage.set_session(&id("a"), &items, CREATE).await.unwrap(), Written::Saved);
    for (field, text) in [
        ("time", "1795247990"),
        ("name", "bob"),
        ("digits", r#""12""#),
        ("list", r#"[1,{"a":2}]"#),
        ("yes", "true"),
    ] {
        assert_eq!(server.cli(&["HGET", "session:a", field]), text);
    }
}

#[tokio::test]
async fn sessions_that_goframe_wrote_are_read() {
    let server = RedisServer::start();
    // GoFrame's ids have 32 characters, and its default prefix is empty.
    let name = "4amwk80dn29hrkf1g3lqs4pw00uxyzab";
    let shared = |redis: fn(String) -> Redis| redis(server.url());
    let redis = shared(|url| Redis::builder(url).prefix("").build().unwrap());

    server.cli(&["SET", name, r#"{"time":1795247990,"n":9007199254740993}"#, "EX", "60"]);
    let storage = RedisKeyValueStorage::new(redis.clone());
    assert_eq!(json(&storage, &id(name)).await, r#"{"n":9007199254740993,"time":1795247990}"#);

    server.cli(&["DEL", name]);
    server.cli(&["HSET", name, "time", "1795247990", "s", "hello", "nil", "", "m", r#"{"a":1}"#]);
    server.cli(&["EXPIRE", name, "60"]);
    let storage = RedisHashTableStorage::new(redis);
    let expected = r#"{"m":{"a":1},"nil":"","s":"hello","time":1795247990}"#;
    assert_eq!(json(&storage, &id(name)).await, expected);
    assert_eq!(storage.get(&id(name), "time").await.unwrap().unwrap().get(), "1795247990");
}

#[tokio::test]
async fn items_survive_byte_for_byte() {
    let server = RedisServer::start();
    let items = r#"{"":"","a\"\\b":"\u0041","deep":[[[{"z":1,"a":[]}]]],"e":1e400,"f":2.50,"g":-0,"k":"größe 💡","s":" 12 "}"#;
    for storage in storages(&server) {
        let id = SessionId::random();
        let written = storage.set_session(&id, &changes(items, &[]), CREATE).await.unwrap();
        assert_eq!(written, Written::Saved);
        assert_eq!(json(&*storage, &id).await, items);
        for (key, item) in snapshot(items).iter() {
            assert_eq!(storage.get(&id, key).await.unwrap().unwrap().get(), item);
        }
    }
}

#[tokio::test]
async fn edits_by_hand_are_read_at_once() {
    let server = RedisServer::start();
    let [key_value, hash] = storages(&server);
    for (storage, name) in [(&key_value, "a"), (&hash, "b")] {
        storage.set_session(&id(name), &changes(r#"{"n":1}"#, &[]), CREATE).await.unwrap();
    }
    server.cli(&["SET", "session:a", "{\n  \"z\": \"by hand\",\n  \"n\": 2 }\n", "KEEPTTL"]);
    server.cli(&["HSET", "session:b", "n", "2", "z", "by hand"]);
    for (storage, name) in [(&key_value, "a"), (&hash, "b")] {
        assert_eq!(json(&**storage, &id(name)).await, r#"{"n":2,"z":"by hand"}"#);
        storage.set_session(&id(name), &changes(r#"{"m":3}"#, &[]), UPDATE).await.unwrap();
        assert_eq!(json(&**storage, &id(name)).await, r#"{"m":3,"n":2,"z":"by hand"}"#);
    }
}

#[tokio::test]
async fn g5_every_kind_of_write_leaves_a_time_to_live() {
    let server = RedisServer::start();
    for storage in storages(&server) {
        let (id, to) = (SessionId::random(), SessionId::random());
        let key = |id: &SessionId| format!("session:{}", id.as_str());
        let check = |id: &SessionId, after: &str| {
            let left = pttl(&server, &key(id));
            assert!(left > 0 && left <= 60_000, "{after}: {left} ms in {storage:?}");
        };
        storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
        check(&id, "create");
        storage.set_session(&id, &changes(r#"{"b":2}"#, &["a"]), UPDATE).await.unwrap();
        check(&id, "update");
        let seen = storage.get_session(&id).await.unwrap();
        let update = SetOptions::update(TTL).seen(seen.as_ref());
        storage.set_session(&id, &changes(r#"{"c":3}"#, &[]), update).await.unwrap();
        check(&id, "update with a snapshot");
        storage.set_session(&id, &Changes::new(), UPDATE).await.unwrap();
        check(&id, "an update that changes nothing");
        server.cli(&["PERSIST", &key(&id)]);
        storage.set_session(&id, &changes("{}", &["c"]), UPDATE).await.unwrap();
        check(&id, "removal of an item");
        assert!(storage.rename(&id, &to, RenameOptions::default()).await.unwrap());
        check(&to, "rename");
        server.cli(&["PERSIST", &key(&to)]);
        assert_eq!(storage.expires_in(&to).await.unwrap(), Some(MAX_TTL));
        assert!(storage.update_ttl(&to, TtlRange::at_least(TTL)).await.unwrap());
        check(&to, "extension of a key without a time to live");
    }
}

#[tokio::test]
async fn times_to_live_range_from_a_millisecond_to_ten_years() {
    let server = RedisServer::start();
    for storage in storages(&server) {
        let id = SessionId::random();
        let key = format!("session:{}", id.as_str());
        storage
            .set_session(&id, &changes(r#"{"a":1}"#, &[]), SetOptions::create(MAX_TTL))
            .await
            .unwrap();
        let longest = i64::try_from(MAX_TTL.as_millis()).unwrap();
        assert!((longest - 1_000..=longest).contains(&pttl(&server, &key)));
        assert!(
            storage.update_ttl(&id, TtlRange::at_least(Duration::from_millis(1))).await.unwrap()
        );
        assert!(pttl(&server, &key) > longest - 2_000, "an extension never shortens");
        let brief = Duration::from_millis(1);
        let written =
            storage.set_session(&id, &Changes::new(), SetOptions::update(brief)).await.unwrap();
        assert_eq!(written, Written::Saved);
        tokio::time::sleep(Duration::from_millis(5)).await;
        assert_eq!(json(&*storage, &id).await, "none");
        assert!(!storage.update_ttl(&id, TtlRange::at_least(TTL)).await.unwrap());
        assert_eq!(storage.expires_in(&id).await.unwrap(), None);
    }
}

#[tokio::test]
async fn an_emptied_session_is_kept_by_metadata_alone_and_with_a_time_to_live() {
    let server = RedisServer::start();
    let [key_value, hash] = storages(&server);
    for (storage, name) in [(&key_value, "a"), (&hash, "b")] {
        let id = id(name);
        storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
        let written = storage.set_session(&id, &changes("{}", &["a"]), UPDATE).await;
        assert_eq!(written.unwrap(), Written::Saved);
        assert!(pttl(&server, &format!("session:{name}")) > 0);
        assert_eq!(json(&**storage, &id).await, "{}");
        assert_eq!(storage.get_size(&id).await.unwrap(), 0);
        assert!(!storage.contains(&id, "$meta").await.unwrap());
        assert!(storage.get(&id, "$meta").await.unwrap().is_none());
    }
    assert_eq!(server.cli(&["GET", "session:a"]), r#"{"$meta":{}}"#);
    assert_eq!(server.cli(&["HGETALL", "session:b"]), "$meta\n{}");
    for (storage, name) in [(&key_value, "a"), (&hash, "b")] {
        let written = storage.set_session(&id(name), &changes(r#"{"a":1}"#, &[]), UPDATE).await;
        assert_eq!(written.unwrap(), Written::Saved);
        assert_eq!(json(&**storage, &id(name)).await, r#"{"a":1}"#);
    }
    assert_eq!(server.cli(&["GET", "session:a"]), r#"{"a":1}"#);
}

#[tokio::test]
async fn g10_unreadable_metadata_counts_as_none() {
    let server = RedisServer::start();
    let [_, hash] = storages(&server);
    server.cli(&["HSET", "session:b", "a", "1", "$meta", "{not JSON"]);
    assert_eq!(json(&*hash, &id("b")).await, r#"{"a":1}"#);
    assert_eq!(hash.get_size(&id("b")).await.unwrap(), 1);
    hash.set_session(&id("b"), &changes(r#"{"b":2}"#, &["a"]), UPDATE).await.unwrap();
    assert_eq!(json(&*hash, &id("b")).await, r#"{"b":2}"#);
}

#[tokio::test]
async fn a_conditional_removal_compares_items_and_not_their_formatting() {
    let server = RedisServer::start();
    let [key_value, hash] = storages(&server);
    server.cli(&["SET", "session:a", "{ \"n\": 1, \"b\": \"x\" }"]);
    server.cli(&["HSET", "session:b", "n", "1", "b", "\"x\""]);
    for (storage, name) in [(&key_value, "a"), (&hash, "b")] {
        for other in [r#"{"b":"x"}"#, r#"{"b":"x","n":2}"#, r#"{"b":"x","n":1,"o":0}"#] {
            assert!(!storage.remove_all(&id(name), Some(&snapshot(other))).await.unwrap());
        }
        let same = snapshot(r#"{"b":"x","n":1}"#);
        assert!(storage.remove_all(&id(name), Some(&same)).await.unwrap());
    }
    assert_eq!(server.cli(&["DBSIZE"]), "0");
}

#[tokio::test]
async fn a_session_of_20_000_items_is_written_in_one_step() {
    let server = RedisServer::start();
    let items: Changes = (0..20_000)
        .map(|n| (format!("key{n}"), RawValue::from_string(n.to_string()).unwrap()))
        .collect();
    let mut removal = Changes::new();
    (1..20_000).for_each(|n| removal.remove(format!("key{n}")));
    // A long timeout: unoptimised, on a busy machine, one read takes half a second.
    let builder = Redis::builder(server.url()).response_timeout(Duration::from_secs(20));
    let redis = builder.build().unwrap();
    let storages: [Box<dyn Storage>; 2] = [
        Box::new(RedisKeyValueStorage::new(redis.clone())),
        Box::new(RedisHashTableStorage::new(redis)),
    ];
    for storage in storages {
        let id = SessionId::random();
        assert_eq!(storage.set_session(&id, &items, CREATE).await.unwrap(), Written::Saved);
        assert_eq!(storage.get_size(&id).await.unwrap(), 20_000);
        let seen = storage.get_session(&id).await.unwrap();
        assert_eq!(storage.set_session(&id, &removal, UPDATE).await.unwrap(), Written::Saved);
        assert_eq!(json(&*storage, &id).await, r#"{"key0":0}"#);
        assert!(!storage.remove_all(&id, seen.as_ref()).await.unwrap());
        storage.set_session(&id, &items, UPDATE).await.unwrap();
        assert!(storage.remove_all(&id, seen.as_ref()).await.unwrap());
    }
    assert_eq!(server.cli(&["DBSIZE"]), "0");
}

#[tokio::test]
async fn a_server_without_memory_refuses_a_write_as_a_whole() {
    let server = RedisServer::start();
    for storage in storages(&server) {
        let (id, other) = (SessionId::random(), SessionId::random());
        let items = changes(r#"{"a":1,"b":"x"}"#, &[]);
        storage.set_session(&id, &items, CREATE).await.unwrap();
        let size = server.cli(&["DBSIZE"]);
        server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
        for (id, options) in [(&other, CREATE), (&id, UPDATE)] {
            let error = storage
                .set_session(id, &changes(r#"{"a":2,"c":3}"#, &["b"]), options)
                .await
                .unwrap_err();
            assert!(error.is_unavailable(), "{error:?}");
        }
        assert_eq!(json(&*storage, &id).await, r#"{"a":1,"b":"x"}"#);
        assert_eq!(server.cli(&["DBSIZE"]), size);
        server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
        let written = storage.set_session(&id, &items, UPDATE).await.unwrap();
        assert_eq!(written, Written::Saved);
    }
}
