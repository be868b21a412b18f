//! Property tests that compare every storage with a plain map.

#[cfg(feature = "redis")]
mod common;

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use proptest::{
    collection::{btree_map, btree_set, vec},
    prelude::*,
    sample::select,
    test_runner::{Config, TestRunner},
};
use serde_json::value::RawValue;
use session_core::{
    Changes, FileStorage, MemoryStorage, RenameOptions, SessionId, SetOptions, Snapshot, Storage,
    TtlRange, Written,
};

#[test]
fn memory_agrees_with_the_model() {
    agrees_with_the_model(async || MemoryStorage::new());
}

#[test]
fn files_agree_with_the_model() {
    let dir = tempfile::tempdir().unwrap();
    agrees_with_the_model(async || FileStorage::open(dir.path()).unwrap());
}

#[cfg(feature = "redis")]
#[test]
fn both_redis_storages_agree_with_the_model() {
    let server = common::RedisServer::start();
    let redis = || common::handle(&server);
    agrees_with_the_model(async || session_core::RedisKeyValueStorage::new(redis()));
    agrees_with_the_model(async || session_core::RedisHashTableStorage::new(redis()));
    let near = || common::Redis::builder(server.url()).near_cache(1 << 20).build().unwrap();
    agrees_with_the_model(async || session_core::RedisKeyValueStorage::new(near()));
}

/// Runs random operations on three sessions. `make` may return storages on one shared store.
fn agrees_with_the_model<S: Storage>(make: impl AsyncFn() -> S) {
    let config = Config { cases: 64, failure_persistence: None, ..Config::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let run = |operations| {
        runtime.block_on(async { Model::new(make().await).run(operations).await });
        Ok(())
    };
    TestRunner::new(config).run(&vec(operation(), 1..30), run).unwrap();
}

type Items = BTreeMap<String, String>;

/// A random operation. Ids are numbers from 0 to 2.
#[derive(Clone, Debug)]
enum Operation {
    Create { id: usize, set: Items, removed: Vec<String>, ttl: Duration },
    Update { id: usize, set: Items, removed: Vec<String>, ttl: Duration, seen: Seen },
    UpdateTtl { id: usize, ttl: Duration },
    RemoveAll { id: usize, seen: Seen },
    Rename { from: usize, to: usize },
}

/// The snapshot that is passed to a write.
#[derive(Clone, Debug)]
enum Seen {
    Nothing,
    Current,
    /// Any earlier snapshot of any session.
    Earlier(prop::sample::Index),
}

impl Operation {
    fn ids(&self) -> Vec<usize> {
        match *self {
            Self::Create { id, .. }
            | Self::Update { id, .. }
            | Self::UpdateTtl { id, .. }
            | Self::RemoveAll { id, .. } => vec![id],
            Self::Rename { from, to } => vec![from, to],
        }
    }
}

fn operation() -> impl Strategy<Value = Operation> {
    let id = || 0..3_usize;
    let set = || btree_map(key(), json(), 0..4);
    let removed = || btree_set(key(), 0..4).prop_map(Vec::from_iter);
    // So far apart that they can be distinguished even on a slow machine.
    let ttl = || (1..100_u64).prop_map(|quarters| Duration::from_secs(quarters * 900));
    prop_oneof![
        2 => (id(), set(), removed(), ttl())
            .prop_map(|(id, set, removed, ttl)| Operation::Create { id, set, removed, ttl }),
        4 => (id(), set(), removed(), ttl(), seen()).prop_map(|(id, set, removed, ttl, seen)| {
            Operation::Update { id, set, removed, ttl, seen }
        }),
        1 => (id(), ttl()).prop_map(|(id, ttl)| Operation::UpdateTtl { id, ttl }),
        1 => (id(), seen()).prop_map(|(id, seen)| Operation::RemoveAll { id, seen }),
        1 => (id(), id()).prop_map(|(from, to)| Operation::Rename { from, to }),
    ]
}

fn seen() -> impl Strategy<Value = Seen> {
    prop_oneof![
        Just(Seen::Nothing),
        Just(Seen::Current),
        any::<prop::sample::Index>().prop_map(Seen::Earlier)
    ]
}

/// Generates keys, mostly from a small set, so that operations affect the same items.
fn key() -> impl Strategy<Value = String> {
    let common = select(vec!["", "a", "b", "é", "\"", "{}"]).prop_map(str::to_owned);
    prop_oneof![4 => common, 1 => any::<String>()]
}

/// Generates the text of any JSON value.
fn json() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,25})(\\.[0-9]{1,20})?([eE][+-]?[0-9]{1,4})?";
    let escaped = "\"([a-z0-9 é]|\\\\[\"\\\\/bfnrt]|\\\\u[0-9a-fA-F]{4}){0,8}\"";
    let leaf = prop_oneof![
        3 => number,
        2 => any::<String>().prop_map(|text| serde_json::to_string(&text).unwrap()),
        2 => escaped,
        // Strings that look like other JSON.
        1 => number.prop_map(|number| format!("\"{number}\"")),
        1 => select(vec!["true", "false", "null", "\"\"", "\"true\"", "\" 5\"", "\"{}\"", "\"[\""])
            .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let space = || select(vec!["", "", " ", "\n\t"]);
        let member = (key(), inner.clone())
            .prop_map(|(key, item)| format!("{}:{item}", serde_json::to_string(&key).unwrap()));
        prop_oneof![
            (vec(inner, 0..4), space())
                .prop_map(|(items, space)| format!("[{space}{}{space}]", items.join(","))),
            (vec(member, 0..4), space())
                .prop_map(|(members, space)| format!("{{{space}{}{space}}}", members.join(","))),
        ]
    })
}

/// A storage and the sessions that it is expected to hold.
struct Model<S> {
    storage: S,
    ids: [SessionId; 3],
    sessions: [Option<Session>; 3],
    /// All snapshots that the storage has returned.
    seen: Vec<Snapshot>,
}

#[derive(Clone)]
struct Session {
    items: Items,
    expires: Instant,
}

impl<S: Storage> Model<S> {
    fn new(storage: S) -> Self {
        let ids = std::array::from_fn(|_| SessionId::random());
        Self { storage, ids, sessions: Default::default(), seen: Vec::new() }
    }

    async fn run(mut self, operations: Vec<Operation>) {
        for operation in operations {
            let ids = operation.ids();
            self.step(operation).await;
            for id in ids {
                self.compare(id).await;
            }
        }
        // Includes the sessions that no operation has touched.
        for id in 0..3 {
            self.compare(id).await;
            self.storage.remove_all(&self.ids[id], None).await.unwrap();
        }
    }

    async fn step(&mut self, operation: Operation) {
        match operation {
            Operation::Create { id, set, removed, ttl } => {
                let changes = changes(&set, &removed);
                let options = SetOptions::create(ttl);
                let written = self.storage.set_session(&self.ids[id], &changes, options).await;
                let set: Items =
                    set.into_iter().filter(|(key, _)| !removed.contains(key)).collect();
                let free = self.sessions[id].is_none() && !set.is_empty();
                let expected = if free { Written::Saved } else { Written::Refused };
                assert_eq!(written.unwrap(), expected);
                if free {
                    self.sessions[id] = Some(Session { items: set, expires: Instant::now() + ttl });
                }
            }
            Operation::Update { id, set, removed, ttl, seen } => {
                let changes = changes(&set, &removed);
                let seen = self.snapshot(id, seen).await;
                let options = SetOptions::update(ttl).seen(seen.as_ref());
                let written = self.storage.set_session(&self.ids[id], &changes, options).await;
                let expected = match &mut self.sessions[id] {
                    None => Written::Refused,
                    Some(session) => {
                        session.items.extend(set);
                        session.items.retain(|key, _| !removed.contains(key));
                        session.expires = Instant::now() + ttl;
                        Written::Saved
                    }
                };
                assert_eq!(written.unwrap(), expected);
            }
            Operation::UpdateTtl { id, ttl } => {
                let found =
                    self.storage.update_ttl(&self.ids[id], TtlRange::at_least(ttl)).await.unwrap();
                assert_eq!(found, self.sessions[id].is_some());
                if let Some(session) = &mut self.sessions[id] {
                    session.expires = session.expires.max(Instant::now() + ttl);
                }
            }
            Operation::RemoveAll { id, seen } => {
                let seen = self.snapshot(id, seen).await;
                let removed = self.storage.remove_all(&self.ids[id], seen.as_ref()).await.unwrap();
                let expected = self.sessions[id]
                    .as_ref()
                    .is_some_and(|session| seen.is_none_or(|seen| items(&seen) == session.items));
                assert_eq!(removed, expected);
                if removed {
                    self.sessions[id] = None;
                }
            }
            Operation::Rename { from, to } => {
                let renamed = self
                    .storage
                    .rename(&self.ids[from], &self.ids[to], RenameOptions::default())
                    .await
                    .unwrap();
                assert_eq!(renamed, self.sessions[from].is_some() && self.sessions[to].is_none());
                if renamed {
                    self.sessions[to] = self.sessions[from].take();
                }
            }
        }
    }

    async fn snapshot(&self, id: usize, seen: Seen) -> Option<Snapshot> {
        match seen {
            Seen::Nothing => None,
            Seen::Current => self.storage.get_session(&self.ids[id]).await.unwrap(),
            Seen::Earlier(_) if self.seen.is_empty() => None,
            Seen::Earlier(index) => Some(index.get(&self.seen).clone()),
        }
    }

    /// Compares a session with the model through every method that reads.
    async fn compare(&mut self, number: usize) {
        let (storage, id) = (&self.storage, &self.ids[number]);
        let found = storage.get_session(id).await.unwrap();
        let left = storage.expires_in(id).await.unwrap();
        let expected = self.sessions[number].as_ref();
        assert_eq!(found.as_ref().map(items), expected.map(|session| session.items.clone()));
        assert_eq!(left.is_some(), expected.is_some());
        if let (Some(left), Some(expected)) = (left, expected) {
            let expected = expected.expires - Instant::now();
            assert!(left.abs_diff(expected) < Duration::from_secs(60), "{left:?} {expected:?}");
        }
        let nothing = Items::new();
        let expected = expected.map_or(&nothing, |session| &session.items);
        assert_eq!(storage.get_size(id).await.unwrap(), expected.len());
        for key in expected.keys().map(String::as_str).chain(["", "absent"]) {
            let item = storage.get(id, key).await.unwrap();
            assert_eq!(item.as_deref().map(RawValue::get), expected.get(key).map(String::as_str));
            assert_eq!(storage.contains(id, key).await.unwrap(), expected.contains_key(key));
        }
        self.seen.extend(found);
    }
}

/// Returns the changes. A key that is both set and removed is removed.
fn changes(set: &Items, removed: &[String]) -> Changes {
    let mut changes = Changes::new();
    for (key, item) in set {
        changes.set(key, RawValue::from_string(item.clone()).unwrap());
    }
    removed.iter().for_each(|key| changes.remove(key));
    changes
}

fn items(session: &Snapshot) -> Items {
    session.iter().map(|(key, item)| (key.to_owned(), item.to_owned())).collect()
}
