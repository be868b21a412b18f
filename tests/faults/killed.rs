//! Servers that are killed repeatedly while clients write.

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
    demo::{alone::alone, server::Server, store::Store},
    fault_run::{AllowedErrors, FaultRun},
    history::load::duration_or,
};

#[test]
fn g6_servers_killed_at_random_lose_no_acknowledged_write_in_files() {
    let _alone = alone();
    let store = Store::file();
    kill_repeatedly("file: servers killed", &store, 3).end(AllowedErrors::Connections);
    let Store::File(directory) = &store else { unreachable!("just made") };
    assert_files_intact(directory.path());
}

#[test]
fn g5_servers_killed_at_random_lose_no_acknowledged_write_in_redis_strings() {
    let _alone = alone();
    let store = Store::key_value();
    kill_repeatedly("redis-key-value: servers killed", &store, 3).end(AllowedErrors::Connections);
    assert_every_key_has_ttl(&store);
}

#[test]
fn g5_servers_killed_at_random_lose_no_acknowledged_write_in_redis_hashes() {
    let _alone = alone();
    let store = Store::hash_table();
    kill_repeatedly("redis-hash-table: servers killed", &store, 3).end(AllowedErrors::Connections);
    assert_every_key_has_ttl(&store);
}

#[test]
fn a_killed_server_with_sessions_in_memory_restarts_empty() {
    let _alone = alone();
    kill_repeatedly("memory: server killed", &Store::Memory, 1).end(AllowedErrors::Connections);
}

/// Starts servers under load and kills them at random for a while.
fn kill_repeatedly(fault: &'static str, store: &Store, processes: usize) -> FaultRun {
    let serve = |_| store.serve(&[("RUST_LOG", "info")]);
    let mut run = FaultRun::begin(fault, vec![(0..processes).map(serve).collect()]);
    if matches!(store, Store::Memory) {
        run = run.expecting_data_loss();
    }
    kill_at_random(run, processes, Duration::from_secs(3))
}

/// Kills and restarts random servers every 20 to 200 ms.
pub(crate) fn kill_at_random(run: FaultRun, processes: usize, length: Duration) -> FaultRun {
    let mut rng = Rng::with_seed(run.seed());
    run.inject(|servers: &mut [&mut Server]| {
        let end = Instant::now() + duration_or(length);
        while Instant::now() < end {
            sleep(Duration::from_millis(rng.u64(20..200)));
            let server = &mut servers[rng.usize(..processes)];
            server.kill();
            server.restart();
        }
    })
}

/// Panics if a session file is incomplete.
pub(crate) fn assert_files_intact(directory: &Path) {
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

/// Panics if a key has no time to live or a string is incomplete.
pub(crate) fn assert_every_key_has_ttl(store: &Store) {
    let script = "local found = {}
        for _, key in ipairs(redis.call('KEYS', 'session:*')) do
            found[#found + 1] = redis.call('PTTL', key)
            local is_text = redis.call('TYPE', key).ok == 'string'
            found[#found + 1] = is_text and redis.call('GET', key) or ''
        end
        return found";
    let found = store.redis().cli(&["EVAL", script, "0"]);
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
