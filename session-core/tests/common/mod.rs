//! Helpers of this crate's Redis tests.

#![allow(dead_code, unused_imports, unreachable_pub, missing_docs)]

#[path = "../../../tests/support/mod.rs"]
pub mod support;

pub mod load;
#[path = "../support/renames_by_copying.rs"]
pub mod renames_by_copying;
pub mod stress;

use std::{sync::Arc, time::Duration};

pub use renames_by_copying::RenamesByCopying;
pub use session_core::{
    Changes, Redis, RedisHashTableStorage, RedisKeyValueStorage, RenameOptions, Result, SessionId,
    SetOptions, Snapshot, Storage, TtlRange, WriteMode, Written,
};
pub use support::redis::RedisServer;

pub const TTL: Duration = Duration::from_secs(60);
pub const CREATE: SetOptions<'_> = SetOptions::create(TTL);
pub const UPDATE: SetOptions<'_> = SetOptions::update(TTL);

pub fn handle(server: &RedisServer) -> Redis {
    Redis::builder(server.url()).build().unwrap()
}

pub fn storages(server: &RedisServer) -> [Box<dyn Storage>; 2] {
    [
        Box::new(RedisKeyValueStorage::new(handle(server))),
        Box::new(RedisHashTableStorage::new(handle(server))),
    ]
}

pub fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

pub fn snapshot(json: &str) -> Snapshot {
    Snapshot::parse(json).unwrap().unwrap()
}

/// Returns the changes that set the members of `json` and remove the keys in `removed`.
pub fn changes(json: &str, removed: &[&str]) -> Changes {
    let mut changes = Snapshot::parse(json)
        .unwrap()
        .map_or_else(Changes::new, |set| Changes::between(None, &set));
    removed.iter().for_each(|key| changes.remove(*key));
    changes
}

pub fn pttl(server: &RedisServer, key: &str) -> i64 {
    server.cli(&["PTTL", key]).parse().unwrap()
}

pub async fn json(storage: &dyn Storage, id: &SessionId) -> String {
    let session = storage.get_session(id).await.unwrap();
    session.map_or_else(|| "none".to_owned(), |session| session.to_json().into_owned())
}

/// Returns the cluster slot of a session under the default prefix.
pub fn slot_of(id: &SessionId) -> usize {
    let key = ["session:", id.as_str()].concat();
    let crc = key.bytes().fold(0u16, |crc, byte| {
        (0..8).fold(crc ^ u16::from(byte) << 8, |crc, _| {
            crc << 1 ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 }
        })
    });
    usize::from(crc % 16384)
}
