//! Servers that are killed repeatedly while they renew ids.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use serde_json::value::RawValue;

use crate::{
    demo::{alone::alone, store::Store},
    fault_run::{AllowedErrors, FaultRun},
    history::{
        load::Plan,
        login::start_process,
        record::{Answer, Cookie, History, Operation},
    },
    killed::{assert_every_key_has_ttl, assert_files_intact, kill_at_random},
};

const PROCESSES: usize = 3;

#[test]
fn g4_servers_killed_while_they_renew_ids_lose_nothing_in_files() {
    let _alone = alone();
    let store = Store::file();
    kill_repeatedly("file: killed while renewing", &store);
    let Store::File(directory) = &store else { unreachable!("just made") };
    assert_files_intact(directory.path());
}

#[test]
fn g4_servers_killed_while_they_renew_ids_lose_nothing_in_redis_strings() {
    let _alone = alone();
    let store = Store::key_value();
    kill_repeatedly("redis-key-value: killed while renewing", &store);
    assert_every_key_has_ttl(&store);
}

#[test]
fn g4_servers_killed_while_they_renew_ids_lose_nothing_in_redis_hashes() {
    let _alone = alone();
    let store = Store::hash_table();
    kill_repeatedly("redis-hash-table: killed while renewing", &store);
    assert_every_key_has_ttl(&store);
}

/// Kills servers while four of ten requests are logins.
///
/// The histories show whether an acknowledged write is lost, an id returns part of a session, or an
/// old id stays valid.
fn kill_repeatedly(fault: &'static str, store: &Store) {
    let applications = (0..PROCESSES).map(|_| start_process(store)).collect();
    // Numbers are no values of one session alone.
    let plan = Plan {
        browsers: 4,
        logins: (0..PROCESSES).collect(),
        login_share: 40,
        counts: false,
        ..Plan::new()
    };
    let run = FaultRun::begin_with(plan, fault, vec![applications]);
    kill_at_random(run, PROCESSES, Duration::from_secs(2))
        .end_with(AllowedErrors::Connections, |history| {
            assert_one_known_id_per_session(fault, store, history)
        });
}

/// Panics if a session is stored under two ids that clients know. Under an id that no client
/// received it may remain until it expires.
fn assert_one_known_id_per_session(fault: &str, store: &Store, history: &History) {
    let count = |matches: &dyn Fn(&Answer) -> bool| {
        let logins = history.events.iter();
        let logins = logins.filter(|event| matches!(event.operation, Operation::Login(_)));
        logins.filter(|event| matches(&event.answer)).count()
    };
    let (renewed, cut) = (
        count(&|answer| *answer == Answer::Renewed),
        count(&|answer| matches!(answer, Answer::Cut(_))),
    );
    assert!(renewed > 0 && cut > 0, "{renewed} ids were renewed, {cut} renewals were cut off");
    let issued: BTreeSet<&str> = history
        .events
        .iter()
        .filter_map(|event| match &event.cookie {
            Cookie::Issued(id) => Some(&**id),
            _ => None,
        })
        .collect();
    let stored = stored(store);
    let known = stored.iter().filter(|(id, _)| issued.contains(id.as_str()));
    // No value is written twice, so two ids with the same value belong to the same session.
    // Metadata, such as the marker of a renewal, is an object, which no item of the load is.
    let mut owners = BTreeMap::new();
    for (id, values) in known {
        for value in values.iter().filter(|value| !value.starts_with('{')) {
            let other = owners.insert(value, id);
            assert_eq!(other, None, "a session is stored under two ids");
        }
    }
    let unknown = stored.keys().filter(|id| !issued.contains(id.as_str())).count();
    println!(
        "{fault}: {renewed} renewals, {cut} cut off, {unknown} stored ids that no client knows"
    );
}

/// Returns the values of every session by its id.
fn stored(store: &Store) -> BTreeMap<String, Vec<String>> {
    match store {
        Store::Memory => panic!("the memory of a server cannot be read"),
        Store::File(directory) => {
            files(directory.path()).map(|(id, items)| (id, values(&items))).collect()
        }
        Store::KeyValue(redis) | Store::HashTable(redis) => {
            let script = "local found = {}
                for _, key in ipairs(redis.call('KEYS', 'session:*')) do
                    local is_text = redis.call('TYPE', key).ok == 'string'
                    found[#found + 1] = key .. '\t' .. (is_text and redis.call('GET', key)
                        or table.concat(redis.call('HVALS', key), '\t'))
                end
                return found";
            let session = |line: &str| {
                let (key, rest) = line.split_once('\t').expect("the script's line");
                let id = key.strip_prefix("session:").expect("the pattern").to_owned();
                let values = match store {
                    Store::KeyValue(_) => values(rest),
                    _ => rest.split('\t').map(str::to_owned).collect(),
                };
                (id, values)
            };
            redis.cli(&["EVAL", script, "0"]).lines().map(session).collect()
        }
    }
}

fn files(directory: &Path) -> impl Iterator<Item = (String, String)> {
    let files = fs::read_dir(directory).expect("the directory").map(Result::unwrap);
    files.filter_map(|file| {
        let name = file.file_name().into_string().expect("UTF-8");
        let id = name.strip_suffix(".session")?.to_owned();
        let text = fs::read_to_string(file.path()).expect("UTF-8");
        Some((id, text.split_once('\n').expect("two lines").1.to_owned()))
    })
}

fn values(json: &str) -> Vec<String> {
    let items: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).expect("an object");
    items.into_values().map(|item| item.get().to_owned()).collect()
}
