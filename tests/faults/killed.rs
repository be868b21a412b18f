//! Servers that are killed again and again while clients write.

use std::{
    collections::BTreeMap,
    fs,
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

use fastrand::Rng;
use serde_json::value::RawValue;

use crate::{
    alone,
    demo::{server::Server, store::Store},
    history::load::length_or,
    ordeal::{Cost, Ordeal},
};

#[test]
fn g6_servers_killed_at_random_lose_no_acknowledged_write_in_files() {
    let _alone = alone();
    let store = Store::file();
    storm("file: servers killed", &store, 3).end(Cost::Connections);
    let Store::File(directory) = &store else { unreachable!("just made") };
    no_torn_file(directory.path());
}

#[test]
fn g5_servers_killed_at_random_lose_no_acknowledged_write_in_redis_strings() {
    let _alone = alone();
    let store = Store::key_value();
    storm("redis-key-value: servers killed", &store, 3).end(Cost::Connections);
    no_key_without_ttl(&store);
}

#[test]
fn g5_servers_killed_at_random_lose_no_acknowledged_write_in_redis_hashes() {
    let _alone = alone();
    let store = Store::hash_table();
    storm("redis-hash-table: servers killed", &store, 3).end(Cost::Connections);
    no_key_without_ttl(&store);
}

#[test]
fn a_server_that_keeps_sessions_in_memory_starts_anew_when_it_is_killed() {
    let _alone = alone();
    storm("memory: server killed", &Store::Memory, 1).end(Cost::Connections);
}

/// Kills one server after the other at moments of no particular kind.
fn storm(fault: &'static str, store: &Store, processes: usize) -> Ordeal {
    let serve = |_| store.serve(&[("RUST_LOG", "info")]);
    let mut ordeal = Ordeal::begin(fault, vec![(0..processes).map(serve).collect()]);
    if matches!(store, Store::Memory) {
        ordeal = ordeal.everything_will_be_lost();
    }
    kill_at_random(ordeal, processes, Duration::from_secs(3))
}

pub(crate) fn kill_at_random(ordeal: Ordeal, processes: usize, length: Duration) -> Ordeal {
    let mut rng = Rng::with_seed(ordeal.seed());
    ordeal.strike(|servers: &mut [&mut Server]| {
        let end = Instant::now() + length_or(length);
        while Instant::now() < end {
            sleep(Duration::from_millis(rng.u64(20..200)));
            let server = &mut servers[rng.usize(..processes)];
            server.kill();
            server.start_again();
        }
    })
}

/// Every file of a session is whole.
pub(crate) fn no_torn_file(directory: &Path) {
    let mut sessions = 0;
    for entry in fs::read_dir(directory).expect("the directory").map(Result::unwrap) {
        let name = entry.file_name().into_string().expect("UTF-8");
        let Some(id) = name.strip_suffix(".session") else { continue };
        let text = fs::read_to_string(entry.path()).expect("UTF-8");
        let (first, items) = text.split_once('\n').expect("a first line");
        let (expires, owner) = first.split_once(' ').expect("two words");
        assert!(expires.parse::<u64>().is_ok() && owner == id, "{first}");
        assert!(!object(items).is_empty(), "{items}");
        sessions += 1;
    }
    assert!(sessions > 0, "some sessions have been stored");
}

/// Every key expires, and every string is whole.
pub(crate) fn no_key_without_ttl(store: &Store) {
    let look = "local found = {}
        for _, key in ipairs(redis.call('KEYS', 'session:*')) do
            found[#found + 1] = redis.call('PTTL', key)
            local is_text = redis.call('TYPE', key).ok == 'string'
            found[#found + 1] = is_text and redis.call('GET', key) or ''
        end
        return found";
    let found = store.redis().cli(&["EVAL", look, "0"]);
    let lines: Vec<&str> = found.split('\n').collect();
    assert!(lines.len() > 1, "some sessions have been stored");
    for pair in lines.chunks(2) {
        let left: i64 = pair[0].parse().expect("a number");
        assert!(left > 0 || left == -2, "{left}");
        if matches!(store, Store::KeyValue(_)) {
            assert!(!object(pair[1]).is_empty());
        }
    }
}

fn object(json: &str) -> BTreeMap<String, Box<RawValue>> {
    serde_json::from_str(json).unwrap_or_else(|_| panic!("no JSON object: {json}"))
}
