//! Records in a store that are not valid sessions.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{fs, time::UNIX_EPOCH};

use demo::{
    server::Server,
    store::{Store, key},
};

/// The id of the records.
const ID: &str = "handmadehandmadehandmadehandmade";

#[test]
fn g10_an_unreadable_redis_string_counts_as_no_session_and_is_left_unchanged() {
    let store = Store::key_value();
    for record in ["not JSON", "[1]", "1", "{\"a\":", "\"text\"", "\u{1}"] {
        assert_harmless(&store, &[&["SET", &key(ID), record, "EX", "100"]], || {
            store.redis().cli(&["GET", &key(ID)])
        });
    }
    assert_other_types_harmless(&store, &["LPUSH", "HSET"]);
}

#[test]
fn g10_a_redis_key_of_another_type_counts_as_no_session_and_is_left_unchanged() {
    assert_other_types_harmless(&Store::hash_table(), &["LPUSH", "SET"]);
}

fn assert_other_types_harmless(store: &Store, commands: &[&str]) {
    for command in commands {
        let record: &[&str] = match *command {
            "HSET" => &["HSET", &key(ID), "a", "1"],
            "LPUSH" => &["LPUSH", &key(ID), "a"],
            other => &[other, &key(ID), "a"],
        };
        assert_harmless(store, &[record], || store.redis().cli(&["DUMP", &key(ID)]));
    }
}

/// Writes a record into Redis and expects that no request fails because of it or changes it.
fn assert_harmless(store: &Store, record: &[&[&str]], read: impl Fn() -> String) {
    store.redis().cli(&["DEL", &key(ID)]);
    for command in record {
        store.redis().cli(command);
    }
    let before = read();
    assert!(!before.is_empty());
    let server = store.serve(&[]);
    assert_no_session(&server);
    assert_eq!(read(), before);
    store.redis().cli(&["DEL", &key(ID)]);
}

fn assert_no_session(server: &Server) {
    let broken = server.client().with_id(ID);
    for path in ["/get", "/del", "/get?key=a", "/del?key=a"] {
        let answer = broken.clone().get(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    assert_eq!(broken.clone().get_ok("/get"), "{}");
    let mut fresh = broken.clone();
    fresh.get_ok("/set?a=2");
    assert_ne!(fresh.id.as_deref(), Some(ID));
    assert_eq!(fresh.get_ok("/get"), r#"{"a":2}"#);
    let log = server.log();
    assert!(log.contains("WARN") && !log.contains(ID), "the log warns without the id: {log}");
}

#[test]
fn g10_a_field_that_is_not_json_is_read_as_a_string() {
    let store = Store::hash_table();
    let server = store.serve(&[]);
    let mut browser = server.client();
    browser.get_ok("/set?a=1");
    let id = browser.id.clone().unwrap();
    store.redis().cli(&["HSET", &key(&id), "name", "bob", "half", "{\"a\":"]);
    assert_eq!(browser.get_ok("/get"), r#"{"a":1,"half":"{\"a\":","name":"bob"}"#);
}

#[test]
fn g10_an_unreadable_file_counts_as_no_session_and_is_left_unchanged() {
    let store = Store::file();
    let end = UNIX_EPOCH.elapsed().unwrap().as_millis() + 100_000;
    let records = [
        String::new(),
        "garbage".to_owned(),
        "\n\n\n".to_owned(),
        format!("{end} {ID}\nnot JSON"),
        format!("{end} {ID}\n[1]"),
        format!("{end} {ID}\n{{\"a\":"),
        format!("{end} another\n{{\"a\":1}}"),
        format!("soon {ID}\n{{\"a\":1}}"),
        "\u{0}".repeat(5000),
    ];
    for record in &records {
        let file = store.file_of(ID);
        fs::write(&file, record).unwrap();
        let server = store.serve(&[]);
        assert_no_session(&server);
        assert_eq!(fs::read_to_string(&file).unwrap(), *record);
    }
}
