//! Records that do not count as sessions.

use std::cell::RefCell;

use crate::common::*;
use deadpool_redis::redis::{Client, cmd};
use proptest::{prelude::*, sample, test_runner::TestRunner};

/// Asserts that a record counts as no session for every method that reads its content.
async fn assert_no_session(storage: &dyn Storage, id: &SessionId) {
    let some = changes(r#"{"new":1}"#, &[]);
    let seen = snapshot(r#"{"a":1}"#);
    assert_eq!(json(storage, id).await, "none");
    for options in [CREATE, UPDATE, UPDATE.seen(&seen)] {
        let written = storage.set_session(id, &some, options).await.unwrap();
        assert_eq!(written, Written::Refused, "{options:?}");
    }
    let written = storage.set_session(id, &changes("{}", &["a"]), UPDATE).await.unwrap();
    assert_eq!(written, Written::Refused);
    assert!(!storage.remove_all(id, None).await.unwrap());
    assert!(!storage.remove_all(id, Some(&seen)).await.unwrap());
    assert!(storage.get(id, "a").await.unwrap().is_none());
    assert!(!storage.contains(id, "a").await.unwrap());
    assert_eq!(storage.get_size(id).await.unwrap(), 0);
}

/// Asserts the same of the methods that check only a record's type.
async fn assert_other_type(storage: &dyn Storage, id: &SessionId) {
    assert_no_session(storage, id).await;
    assert!(!storage.update_ttl(id, TtlRange::at_least(TTL)).await.unwrap());
    assert_eq!(storage.expires_in(id).await.unwrap(), None);
    assert!(!storage.rename(id, &SessionId::random(), RenameOptions::default()).await.unwrap());
}

#[tokio::test]
async fn g10_keys_of_another_type_are_left_as_they_are() {
    let server = RedisServer::start();
    let [key_value, hash] = storages(&server);
    server.cli(&["RPUSH", "session:list", "x"]);
    server.cli(&["HSET", "session:hash", "a", "1"]);
    server.cli(&["SET", "session:string", r#"{"a":1}"#]);
    let before = ["list", "hash", "string"].map(|name| dump(&server, name));
    assert_other_type(&*key_value, &id("list")).await;
    assert_other_type(&*key_value, &id("hash")).await;
    assert_other_type(&*hash, &id("list")).await;
    assert_other_type(&*hash, &id("string")).await;
    assert_eq!(before, ["list", "hash", "string"].map(|name| dump(&server, name)));
    assert_eq!(server.cli(&["DBSIZE"]), "3");

    // A rename does not overwrite them either.
    for (storage, other) in [(&key_value, "list"), (&hash, "string")] {
        let from = SessionId::random();
        storage.set_session(&from, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
        assert!(!storage.rename(&from, &id(other), RenameOptions::default()).await.unwrap());
    }
    assert_eq!(before, ["list", "hash", "string"].map(|name| dump(&server, name)));
}

fn dump(server: &RedisServer, name: &str) -> (String, i64) {
    let key = format!("session:{name}");
    (server.cli(&["--no-raw", "DUMP", &key]), pttl(server, &key))
}

#[tokio::test]
async fn g10_text_that_is_not_a_json_object_is_left_as_it_is() {
    let server = RedisServer::start();
    let storage = RedisKeyValueStorage::new(handle(&server));
    for bad in ["hello", "[1]", "12", "null", "{\"a\":}", "{\"a\":1} x", "x", "ok"] {
        server.cli(&["SET", "session:bad", bad]);
        assert_no_session(&storage, &id("bad")).await;
        assert_eq!(server.cli(&["GET", "session:bad"]), bad);
        assert_eq!(pttl(&server, "session:bad"), -1);
    }
    server.cli(&["EVAL", "redis.call('SET', KEYS[1], '{\"a\":\"\\255\"}')", "1", "session:bad"]);
    let before = dump(&server, "bad");
    assert_no_session(&storage, &id("bad")).await;
    assert_eq!(dump(&server, "bad"), before);
}

#[tokio::test]
async fn an_empty_value_counts_as_no_session_and_can_be_replaced_by_one() {
    let server = RedisServer::start();
    let storage = RedisKeyValueStorage::new(handle(&server));
    let some = changes(r#"{"a":1}"#, &[]);
    for empty in ["{}", "", " { } "] {
        server.cli(&["SET", "session:a", empty, "EX", "1000"]);
        assert_eq!(json(&storage, &id("a")).await, "none");
        let written = storage.set_session(&id("a"), &some, UPDATE).await.unwrap();
        assert_eq!(written, Written::Refused);
        assert!(!storage.remove_all(&id("a"), None).await.unwrap());
        assert_eq!(server.cli(&["GET", "session:a"]), empty.trim_end_matches('\n'));
        let written = storage.set_session(&id("a"), &some, CREATE).await.unwrap();
        assert_eq!(written, Written::Saved);
        assert_eq!(server.cli(&["GET", "session:a"]), r#"{"a":1}"#);
        assert!(pttl(&server, "session:a") <= 60_000);
    }
    for empty in ["{}", ""] {
        server.cli(&["SET", "session:a", empty]);
        assert!(!storage.update_ttl(&id("a"), TtlRange::at_least(TTL)).await.unwrap());
        assert_eq!(storage.expires_in(&id("a")).await.unwrap(), None);
        assert!(!storage.rename(&id("a"), &id("b"), RenameOptions::default()).await.unwrap());
        assert_eq!(pttl(&server, "session:a"), -1);
    }
}

#[tokio::test]
async fn g10_an_unreadable_field_affects_no_other() {
    let server = RedisServer::start();
    let storage = RedisHashTableStorage::new(handle(&server));
    let bad = "redis.call('HSET', KEYS[1], 'bad', '\\255', '\\254', '1', 'good', '1')";
    server.cli(&["EVAL", bad, "1", "session:a"]);
    assert_eq!(json(&storage, &id("a")).await, r#"{"good":1}"#);
    assert!(storage.get(&id("a"), "bad").await.unwrap().is_none());
    let written = storage.set_session(&id("a"), &changes(r#"{"b":2}"#, &[]), UPDATE).await;
    assert_eq!(written.unwrap(), Written::Saved);
    assert_eq!(server.cli(&["HLEN", "session:a"]), "4");
    // An unreadable field does not prevent a logout either.
    assert!(storage.remove_all(&id("a"), Some(&snapshot(r#"{"b":2,"good":1}"#))).await.unwrap());
    assert_eq!(server.cli(&["DBSIZE"]), "0");
}

/// Generates texts that are almost sessions, with faults that JSON parsers disagree about.
fn malformed_sessions() -> impl Strategy<Value = Vec<u8>> {
    let odd: &[&[u8]] = &[
        b"NaN",
        b"inf",
        b"-",
        b"+",
        b".",
        b"0",
        b"00",
        b"0x1",
        b"1e5",
        b"1.",
        b".5",
        b"E",
        b"true",
        b"nul",
        b"\"",
        b"\\",
        b"\\ud800",
        b"\\u0041",
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b" ",
        b"\n",
        b"\t",
        b"\0",
        b"\x7f",
        b"\x80",
        b"\xc0\x80",
        b"\xc3\xab",
        b"\xed\xa0\x80",
        b"\xed\x9f\xbf",
        b"\xe0\x80\x80",
        b"\xe2\x82\xac",
        b"\xf0\x9f\xa6\x80",
        b"\xf4\x90\x80\x80",
        b"\xff",
        b"/**/",
    ];
    let session = sample::select(vec![
        r#"{"a":1}"#,
        r#"{"a":-0.5,"b":[1,2e3,{"c":null}],"":"d\u00e9"}"#,
        r#"{"name":"Zoë","euro":"€","crab":"🦀","n":9007199254740993}"#,
        r#"{}"#,
    ]);
    let change = (any::<sample::Index>(), 0..3usize, sample::select(odd.to_vec()));
    (session, proptest::collection::vec(change, 0..3)).prop_map(|(session, changes)| {
        let mut text = session.as_bytes().to_vec();
        for (at, removed, new) in changes {
            let start = at.index(text.len() + 1);
            let end = (start + removed).min(text.len());
            text.splice(start..end, new.iter().copied());
        }
        text
    })
}

#[test]
fn g10_a_removal_removes_exactly_the_readable_records() {
    let server = RedisServer::start();
    let connection = Client::open(server.url()).unwrap().get_connection().unwrap();
    let connection = RefCell::new(connection);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let storage = RedisKeyValueStorage::new(handle(&server));
    let id = id("a");
    let mut runner = TestRunner::new(ProptestConfig::with_cases(2000));
    let check = |text: &[u8]| {
        let connection = &mut *connection.borrow_mut();
        cmd("SET").arg("session:a").arg(text).exec(connection).unwrap();
        let removed = runtime.block_on(storage.remove_all(&id, None)).unwrap();
        let left: Option<Vec<u8>> = cmd("GET").arg("session:a").query(connection).unwrap();
        let readable = std::str::from_utf8(text)
            .is_ok_and(|text| matches!(Snapshot::parse(text.to_owned()), Ok(Some(_))));
        assert_eq!((removed, left.is_none()), (readable, readable), "{:?}", text.escape_ascii());
    };
    check(format!(r#"{{"long":"{}"}}"#, "x".repeat(100_000)).as_bytes());
    let property = |text: Vec<u8>| {
        check(&text);
        Ok(())
    };
    runner.run(&malformed_sessions(), property).unwrap();
}
