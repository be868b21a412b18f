//! Benchmarks of reading a session of one item, reading it once it has changed, and writing it:
//! plain, with its id hashed, with the item encrypted, and with both.

use std::{hint::black_box, sync::Arc, time::Duration};

use criterion::{Criterion, criterion_group, criterion_main};
use futures_util::FutureExt;
use serde_json::value::to_raw_value;
use session_core::{
    Changes, EncryptionKey, HashedIds, IntoStorage, KeyRing, MemoryStorage, Sealed, SessionId,
    SetOptions, Snapshot, Storage, Written,
};

const SIZES: [(&str, usize); 3] = [("100 B", 100), ("1 KB", 1_000), ("10 KB", 10_000)];
const TTL: Duration = Duration::from_secs(3600);

/// A storage with layers, and the memory below.
struct Layers {
    name: &'static str,
    storage: Arc<dyn Storage>,
    memory: Arc<MemoryStorage>,
    hashes_ids: bool,
}

fn storages() -> [Layers; 4] {
    let sealed = |memory| {
        let ring = KeyRing::new([EncryptionKey::random()]);
        Sealed::new(memory, ring.expect("it has a key"))
    };
    [
        ("plain", false, false),
        ("hashed id", true, false),
        ("encrypted item", false, true),
        ("both", true, true),
    ]
    .map(|(name, hashes_ids, encrypts)| {
        let memory = Arc::new(MemoryStorage::new());
        let storage: Arc<dyn Storage> = match (hashes_ids, encrypts) {
            (false, false) => memory.clone(),
            (true, false) => HashedIds::new(memory.clone()).into_storage(),
            (false, true) => Arc::new(sealed(memory.clone())),
            (true, true) => HashedIds::new(sealed(memory.clone())).into_storage(),
        };
        Layers { name, storage, memory, hashes_ids }
    })
}

/// Returns the changes that set an item, a text whose JSON has this many bytes.
fn item(bytes: usize, character: &str) -> Changes {
    let mut changes = Changes::new();
    let text = character.repeat(bytes - 2);
    changes.set("item", to_raw_value(&text).expect("a text is JSON"));
    changes
}

fn reads(criterion: &mut Criterion) {
    for (size, bytes) in SIZES {
        for Layers { name, storage, .. } in storages() {
            // By turns, so that each read has to hash its id, as the first one of a request has.
            let ids = [(); 2].map(|()| SessionId::random());
            for id in &ids {
                write(&*storage, id, &item(bytes, "a"), SetOptions::create(TTL));
            }
            let mut ids = ids.iter().cycle();
            criterion.bench_function(&format!("read an item of {size}, {name}"), |bencher| {
                bencher.iter(|| read(&*storage, black_box(ids.next().expect("they never end"))));
            });
        }
    }
}

/// Before each read, another node writes another text of the same length.
fn changed_reads(criterion: &mut Criterion) {
    for (size, bytes) in SIZES {
        for Layers { name, storage, memory, hashes_ids } in storages() {
            let ids = [(); 2].map(|()| SessionId::random());
            let stored_id = |id: &SessionId| if hashes_ids { id.hashed() } else { id.clone() };
            ids.iter()
                .for_each(|id| write(&*storage, id, &item(bytes, "a"), SetOptions::create(TTL)));
            let change = |character| {
                ids.each_ref().map(|id| {
                    write(&*storage, id, &item(bytes, character), SetOptions::update(TTL));
                    let stored = read(&*memory, &stored_id(id)).expect("it is stored");
                    (id, stored_id(id), Changes::between(None, &stored))
                })
            };
            let changes = ["a", "b"].map(change).concat();
            let mut changes = changes.iter().cycle();
            criterion.bench_function(
                &format!("read a changed item of {size}, {name}"),
                |bencher| {
                    bencher.iter(|| {
                        let (id, stored_id, changes) = changes.next().expect("they never end");
                        write(&*memory, stored_id, changes, SetOptions::update(TTL));
                        read(&*storage, black_box(id))
                    });
                },
            );
        }
    }
}

/// As a request does that has read the session before, and so has hashed its id.
fn writes(criterion: &mut Criterion) {
    for (size, bytes) in SIZES {
        let items = ["a", "b"].map(|character| item(bytes, character));
        for Layers { name, storage, .. } in storages() {
            let id = SessionId::random();
            write(&*storage, &id, &items[1], SetOptions::create(TTL));
            let seen = read(&*storage, &id);
            let options = SetOptions::update(TTL).seen(seen.as_ref());
            let mut items = items.iter().cycle();
            criterion.bench_function(&format!("write an item of {size}, {name}"), |bencher| {
                bencher.iter(|| {
                    let changes = items.next().expect("they never end");
                    write(&*storage, black_box(&id), changes, options);
                });
            });
        }
    }
}

/// As a request does, which asks first for what is in memory.
fn read(storage: &dyn Storage, id: &SessionId) -> Option<Snapshot> {
    storage.cached(id)
}

fn write(storage: &dyn Storage, id: &SessionId, changes: &Changes, options: SetOptions<'_>) {
    let written = storage.set_session(id, changes, options).now_or_never();
    let written = written.expect("memory never waits").expect("memory does not fail");
    assert_eq!(written, Written::Saved);
}

criterion_group!(at_rest, reads, changed_reads, writes);
criterion_main!(at_rest);
