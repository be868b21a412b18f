//! Servers that are killed again and again while they renew ids.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::Duration,
};

use serde_json::value::RawValue;

use crate::{
    alone,
    demo::store::Store,
    history::{
        load::Plan,
        login::in_a_process,
        record::{Answer, Cookie, History, Operation},
    },
    killed::{kill_at_random, no_key_without_ttl, no_torn_file},
    ordeal::{Cost, Ordeal},
};

const PROCESSES: usize = 3;

#[test]
fn g4_servers_killed_while_they_renew_ids_lose_nothing_in_files() {
    let _alone = alone();
    let store = Store::file();
    storm("file: killed while renewing", &store);
    let Store::File(directory) = &store else { unreachable!("just made") };
    no_torn_file(directory.path());
}

#[test]
fn g4_servers_killed_while_they_renew_ids_lose_nothing_in_redis_strings() {
    let _alone = alone();
    let store = Store::key_value();
    storm("redis-key-value: killed while renewing", &store);
    no_key_without_ttl(&store);
}

#[test]
fn g4_servers_killed_while_they_renew_ids_lose_nothing_in_redis_hashes() {
    let _alone = alone();
    let store = Store::hash_table();
    storm("redis-hash-table: killed while renewing", &store);
    no_key_without_ttl(&store);
}

/// Kills servers to which four of ten requests are logins.
///
/// The histories show whether anything that was acknowledged is lost, any id answers with half of
/// a session, and any old id lives on.
fn storm(fault: &'static str, store: &Store) {
    let applications = (0..PROCESSES).map(|_| in_a_process(store)).collect();
    let plan =
        Plan { browsers: 4, logins: (0..PROCESSES).collect(), login_share: 40, ..Plan::new() };
    let ordeal = Ordeal::begin_with(plan, fault, vec![applications]);
    kill_at_random(ordeal, PROCESSES, Duration::from_secs(2))
        .end_and_look(Cost::Connections, |history| under_one_known_id_each(fault, store, history));
}

/// No session is stored under two ids that anybody knows; under one that nobody was told, only as
/// long as it lives.
fn under_one_known_id_each(fault: &str, store: &Store, history: &History) {
    let count = |is_so: &dyn Fn(&Answer) -> bool| {
        let logins = history.events.iter();
        let logins = logins.filter(|event| matches!(event.operation, Operation::Login(_)));
        logins.filter(|event| is_so(&event.answer)).count()
    };
    let (moved, cut) = (
        count(&|answer| *answer == Answer::Moved),
        count(&|answer| matches!(answer, Answer::Cut(_))),
    );
    assert!(moved > 0 && cut > 0, "{moved} ids were renewed, {cut} renewals were cut off");
    let told: BTreeSet<&str> = history
        .events
        .iter()
        .filter_map(|event| match &event.cookie {
            Cookie::Issued(id) => Some(&**id),
            _ => None,
        })
        .collect();
    let stored = stored(store);
    let known = stored.iter().filter(|(id, _)| told.contains(id.as_str()));
    // No value is written twice, so that two ids with the same one are of the same session.
    let mut owners = BTreeMap::new();
    for (id, values) in known {
        for value in values {
            let other = owners.insert(value, id);
            assert_eq!(other, None, "a session lives under two ids");
        }
    }
    let unknown = stored.keys().filter(|id| !told.contains(id.as_str())).count();
    println!("{fault}: {moved} renewals, {cut} cut off, {unknown} ids stored that nobody knows");
}

/// The values of every session, by its id.
fn stored(store: &Store) -> BTreeMap<String, Vec<String>> {
    match store {
        Store::Memory => panic!("nobody can look into a process"),
        Store::File(directory) => {
            files(directory.path()).map(|(id, items)| (id, values(&items))).collect()
        }
        Store::KeyValue(redis) | Store::HashTable(redis) => {
            let look = "local found = {}
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
            redis.cli(&["EVAL", look, "0"]).lines().map(session).collect()
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
