//! What a store is shown of sessions whose ids are hashed and whose items are encrypted.

mod hashed_ids;
mod keys;
mod places;
mod plain_stores;
mod recent;
mod writes;

use std::{sync::Arc, time::Duration};

use session_core::{
    Changes, EncryptionKey, FileStorage, KeyRing, Manager, MemoryStorage, SessionId, SetOptions,
    Snapshot, Storage,
};

const TTL: Duration = Duration::from_secs(60);
const CREATE: SetOptions<'_> = SetOptions::create(TTL);
const UPDATE: SetOptions<'_> = SetOptions::update(TTL);

fn id(text: &str) -> SessionId {
    SessionId::parse(text).unwrap()
}

fn set(items: &str) -> Changes {
    Changes::between(None, &Snapshot::parse(items).unwrap().unwrap())
}

/// Returns a key whose bytes are all the same.
fn key(byte: u8) -> EncryptionKey {
    let text = data_encoding::BASE64.encode(&[byte; 32]);
    EncryptionKey::parse(&text).unwrap()
}

fn ring(keys: &[u8]) -> KeyRing {
    KeyRing::new(keys.iter().map(|byte| key(*byte))).unwrap()
}

fn manager(storage: impl session_core::IntoStorage) -> Manager {
    Manager::builder(storage).ttl(TTL).build().unwrap()
}

async fn json(storage: &dyn Storage, id: &SessionId) -> Option<String> {
    Some(storage.get_session(id).await.unwrap()?.to_json().into_owned())
}

/// Returns the storages of whole sessions that need no server, and the directory of the files.
fn whole_storages() -> (Vec<Arc<dyn Storage>>, tempfile::TempDir) {
    let directory = tempfile::tempdir().unwrap();
    let files = FileStorage::open(directory.path()).unwrap();
    (vec![Arc::new(MemoryStorage::new()), Arc::new(files)], directory)
}
