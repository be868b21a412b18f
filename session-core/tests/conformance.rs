//! The conformance suite on the storages without Redis.

use std::time::Duration;

use async_trait::async_trait;
use session_core::{
    Changes, EncryptionKey, FileStorage, HashedIds, IntoStorage, KeyRing, MemoryStorage, Result,
    Sealed, SessionId, SetOptions, Snapshot, Storage, TtlRange, Written, conformance,
};
use tokio::task::yield_now;

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract() {
    conformance::run(async || MemoryStorage::new()).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn memory_keeps_the_contract_on_one_thread_with_a_paused_clock() {
    conformance::run(async || MemoryStorage::new()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_keeps_the_contract_within_a_bound() {
    let storage = async || MemoryStorage::new().max_sessions(100_000).max_bytes(1 << 30);
    conformance::run(storage).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn files_keep_the_contract() {
    let dir = tempfile::tempdir().unwrap();
    conformance::run(async || FileStorage::open(dir.path()).unwrap()).await.unwrap();
}

#[tokio::test]
async fn files_keep_the_contract_on_one_thread() {
    let dir = tempfile::tempdir().unwrap();
    conformance::run(async || FileStorage::open(dir.path()).unwrap()).await.unwrap();
}

fn keys() -> KeyRing {
    KeyRing::new([EncryptionKey::random()]).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn storages_whose_ids_are_hashed_keep_the_contract() {
    let memory = async || HashedIds::new(MemoryStorage::new()).into_storage();
    conformance::run(memory).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let files = async || HashedIds::new(FileStorage::open(dir.path()).unwrap()).into_storage();
    conformance::run(files).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_storage_that_still_moves_plain_ids_keeps_the_contract() {
    let day = Duration::from_secs(86_400);
    let memory = async || HashedIds::new(MemoryStorage::new()).move_plain_ids(day).into_storage();
    conformance::run(memory).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn encrypted_storages_keep_the_contract() {
    conformance::run(async || Sealed::new(MemoryStorage::new(), keys())).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let files = async || Sealed::new(FileStorage::open(dir.path()).unwrap(), keys());
    conformance::run(files).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_encrypted_storage_with_hashed_ids_keeps_the_contract() {
    let both = async || HashedIds::new(Sealed::new(MemoryStorage::new(), keys())).into_storage();
    conformance::run(both).await.unwrap();
}

/// The memory storage with its required methods only, so that the provided ones are tested.
#[derive(Debug)]
struct RequiredOnly(MemoryStorage);

#[async_trait]
impl Storage for RequiredOnly {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        // Lets other tasks run, as a remote store does.
        yield_now().await;
        self.0.get_session(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        yield_now().await;
        self.0.set_session(id, changes, options).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        yield_now().await;
        self.0.update_ttl(id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        yield_now().await;
        self.0.remove_all(id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        yield_now().await;
        self.0.expires_in(id).await
    }
}

#[tokio::test(start_paused = true)]
async fn the_provided_methods_keep_the_contract() {
    conformance::run(async || RequiredOnly(MemoryStorage::new())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_provided_methods_keep_the_contract_on_several_threads() {
    conformance::run(async || RequiredOnly(MemoryStorage::new())).await.unwrap();
}
