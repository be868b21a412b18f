//! Records in a store that are no sessions.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{fs, time::UNIX_EPOCH};

use demo::{
    server::Server,
    store::{Store, key},
};

/// Where the records are put.
const ID: &str = "handmadehandmadehandmadehandmade";

#[test]
fn g10_a_redis_string_that_is_no_session_counts_as_none_and_is_left_as_it_is() {
    let store = Store::key_value();
    for record in ["not JSON", "[1]", "1", "{\"a\":", "\"text\"", "\u{1}"] {
        survives(&store, &[&["SET", &key(ID), record, "EX", "100"]], || {
            store.redis().cli(&["GET", &key(ID)])
        });
    }
    foreign_types(&store, &["LPUSH", "HSET"]);
}

#[test]
fn g10_a_redis_key_that_is_no_hash_counts_as_no_session_and_is_left_as_it_is() {
    foreign_types(&Store::hash_table(), &["LPUSH", "SET"]);
}

fn foreign_types(store: &Store, commands: &[&str]) {
    for command in commands {
        let record: &[&str] = match *command {
            "HSET" => &["HSET", &key(ID), "a", "1"],
            "LPUSH" => &["LPUSH", &key(ID), "a"],
            other => &[other, &key(ID), "a"],
        };
        survives(store, &[record], || store.redis().cli(&["DUMP", &key(ID)]));
    }
}

/// Puts a record in place by hand and expects that no request trips over it or changes it.
fn survives(store: &Store, record: &[&[&str]], look: impl Fn() -> String) {
    store.redis().cli(&["DEL", &key(ID)]);
    for command in record {
        store.redis().cli(command);
    }
    let before = look();
    assert!(!before.is_empty());
    let server = store.serve(&[]);
    no_session(&server);
    assert_eq!(look(), before);
    store.redis().cli(&["DEL", &key(ID)]);
}

fn no_session(server: &Server) {
    let broken = server.client().claiming(ID);
    for path in ["/get", "/del", "/get?key=a", "/del?key=a"] {
        let answer = broken.clone().ask(path);
        assert_eq!(answer.status, 200, "{path}: {answer:?}");
    }
    assert_eq!(broken.clone().expect("/get"), "{}");
    let mut fresh = broken.clone();
    fresh.expect("/set?a=2");
    assert_ne!(fresh.id.as_deref(), Some(ID));
    assert_eq!(fresh.expect("/get"), r#"{"a":2}"#);
    let log = server.log();
    assert!(log.contains("WARN") && !log.contains(ID), "a line says so: {log}");
}

#[test]
fn g10_a_field_that_is_no_json_is_a_string() {
    let store = Store::hash_table();
    let server = store.serve(&[]);
    let mut browser = server.client();
    browser.expect("/set?a=1");
    let id = browser.id.clone().unwrap();
    store.redis().cli(&["HSET", &key(&id), "name", "bob", "half", "{\"a\":"]);
    assert_eq!(browser.expect("/get"), r#"{"a":1,"half":"{\"a\":","name":"bob"}"#);
}

#[test]
fn g10_a_file_that_is_no_session_counts_as_none_and_is_left_as_it_is() {
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
        no_session(&server);
        assert_eq!(fs::read_to_string(&file).unwrap(), *record);
    }
}
