//! The walkthrough of GoFrame's session documentation on each storage, against the real server.

#[path = "support/demo.rs"]
mod demo;
mod support;

use std::{
    thread,
    time::{Duration, UNIX_EPOCH},
};

use demo::{server::eventually, store::Store};

#[test]
fn a_session_survives_restarts_and_shows_edits_by_hand_in_a_file() {
    walk(&Store::file());
}

#[test]
fn a_session_survives_restarts_and_shows_edits_by_hand_in_a_redis_string() {
    walk(&Store::key_value());
}

#[test]
fn a_session_survives_restarts_and_shows_edits_by_hand_in_a_redis_hash() {
    walk(&Store::hash_table());
}

fn walk(store: &Store) {
    let mut server = store.serve(&[]);
    let mut browser = server.client();
    assert_eq!(browser.get_ok("/get"), "{}");
    assert_eq!(browser.id, None, "a session without items does not exist");

    assert_eq!(browser.get_ok("/set"), "ok");
    let id = browser.id.clone().expect("the first item brings a cookie");
    let items = browser.get_ok("/get");
    let time: u64 = items
        .strip_prefix(r#"{"time":"#)
        .and_then(|rest| rest.strip_suffix('}')?.parse().ok())
        .expect("one number");
    let now = UNIX_EPOCH.elapsed().expect("a clock").as_secs();
    assert!((now - 10..=now).contains(&time), "{time} is now");

    server.terminate();
    server.restart();
    assert_eq!(browser.get_ok("/get"), items, "after a restart");

    server.kill();
    server.restart();
    assert_eq!(browser.get_ok("/get"), items, "after kill -9");

    // An editor takes no lock, so a write of the time to live that the read above has begun can
    // overwrite an edit. There is one such write, and perhaps one for the cookie.
    eventually("an edit by hand is seen", || {
        store.edit_by_hand(&id);
        browser.get_ok("/get") == r#"{"time":1}"#
    });

    let answer = browser.get("/del");
    assert_eq!(answer.body, "ok");
    let cookie = answer.set_cookie.expect("an ended session expires its cookie");
    assert!(cookie.starts_with("gfsessionid=;") && cookie.contains("Max-Age=0"), "{cookie}");
    assert_eq!(browser.with_id(&id).get_ok("/get"), "{}", "the old id is invalid");
    assert_eq!(store.read_raw(&id), None, "nothing is stored");
}

#[test]
fn a_session_in_memory_ends_with_its_process() {
    let mut server = Store::Memory.serve(&[]);
    let mut browser = server.client();
    browser.get_ok("/set?a=1");
    assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#);
    server.terminate();
    server.restart();
    assert_eq!(browser.get_ok("/get"), "{}");
    browser.get_ok("/set?a=2");
    assert_eq!(browser.get_ok("/del"), "ok");
    assert_eq!(browser.id, None);
    assert_eq!(browser.get_ok("/get"), "{}");
}

#[test]
fn values_come_back_byte_for_byte_from_memory() {
    keeps_every_byte(&Store::Memory);
}

#[test]
fn values_come_back_byte_for_byte_from_a_file() {
    keeps_every_byte(&Store::file());
}

#[test]
fn values_come_back_byte_for_byte_from_a_redis_string() {
    keeps_every_byte(&Store::key_value());
}

#[test]
fn values_come_back_byte_for_byte_from_a_redis_hash() {
    keeps_every_byte(&Store::hash_table());
}

fn keeps_every_byte(store: &Store) {
    let server = store.serve(&[]);
    let mut browser = server.client();
    let values = [
        ("9007199254740993", "9007199254740993"),
        ("18446744073709551615", "18446744073709551615"),
        ("-0", "-0"),
        ("2.50", "2.50"),
        ("1E5", "1E5"),
        ("1e400", "1e400"),
        ("%7B%22z%22:%5B%20%5D,%22a%22:2.0%7D", r#"{"z":[ ],"a":2.0}"#),
        ("null", "null"),
        ("%22123%22", r#""123""#),
        ("%22%C3%BC%5Cu00e9%22", r#""ü\u00e9""#),
        ("%22%22", r#""""#),
        // Text that is not JSON becomes a string.
        ("", r#""""#),
        ("bob", r#""bob""#),
        ("1+2", r#""1 2""#),
        ("%F0%9F%A6%80%00", r#""🦀\u0000""#),
    ];
    let mut all = Vec::new();
    for (index, (sent, stored)) in values.iter().enumerate() {
        let key = char::from(b'a' + index as u8);
        assert_eq!(browser.get_ok(&format!("/set?{key}={sent}")), "ok");
        assert_eq!(browser.get_ok(&format!("/get?key={key}")), *stored);
        all.push(format!(r#""{key}":{stored}"#));
    }
    assert_eq!(browser.get_ok("/get"), format!("{{{}}}", all.join(",")));
}

#[test]
fn one_request_sets_or_removes_several_items() {
    for store in [Store::Memory, Store::file(), Store::key_value(), Store::hash_table()] {
        let server = store.serve(&[]);
        let mut browser = server.client();
        browser.get_ok("/set?b=x&a=1&=none&%C3%A9=2");
        assert_eq!(browser.get_ok("/get"), r#"{"":"none","a":1,"b":"x","é":2}"#);
        let answer = browser.get("/get");
        assert_eq!(answer.content_type.as_deref(), Some("application/json"));
        assert_eq!(browser.get_ok("/get?key=none"), "null");
        browser.get_ok("/del?key=&key=a&key=%C3%A9");
        assert_eq!(browser.get_ok("/get"), r#"{"b":"x"}"#);
        let id = browser.id.clone();
        browser.get_ok("/del?key=b");
        assert_eq!(browser.get_ok("/get"), "{}");
        browser.get_ok("/set?c=1");
        assert_eq!(browser.get_ok("/get"), r#"{"c":1}"#);
        assert_eq!(browser.id, id, "removing the last item does not end the session");
    }
}

#[test]
fn g9_a_read_keeps_a_session_alive_and_idleness_ends_it_in_memory() {
    expires(&Store::Memory);
}

#[test]
fn g9_a_read_keeps_a_session_alive_and_idleness_ends_it_in_a_file() {
    expires(&Store::file());
}

#[test]
fn g9_a_read_keeps_a_session_alive_and_idleness_ends_it_in_a_redis_string() {
    expires(&Store::key_value());
}

#[test]
fn g9_a_read_keeps_a_session_alive_and_idleness_ends_it_in_a_redis_hash() {
    expires(&Store::hash_table());
}

fn expires(store: &Store) {
    let server = store.serve(&[("DEMO__SESSION__MAX_AGE", "2s")]);
    let mut browser = server.client();
    browser.get_ok("/set?a=1");
    let id = browser.id.clone().expect("a cookie");
    // Real time has to pass, because the server is another process.
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(1200));
        assert_eq!(browser.get_ok("/get"), r#"{"a":1}"#, "used within its time to live");
    }
    thread::sleep(Duration::from_millis(2200));
    assert_eq!(browser.get_ok("/get"), "{}", "idle for longer than its time to live");
    if !matches!(store, Store::Memory) {
        eventually("nothing is stored", || store.read_raw(&id).is_none());
    }
}
