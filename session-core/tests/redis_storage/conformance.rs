//! The conformance suite on the Redis storages.

use std::sync::Arc;

use crate::common::*;
use session_core::{EncryptionKey, HashedIds, IntoStorage, KeyRing, Sealed, conformance};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_value_keeps_the_contract() {
    let server = RedisServer::start();
    conformance::run(async || RedisKeyValueStorage::new(handle(&server))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_value_with_a_near_cache_keeps_the_contract() {
    let server = RedisServer::start();
    let redis = || Redis::builder(server.url()).near_cache(1 << 24).build().unwrap();
    conformance::run(async || RedisKeyValueStorage::new(redis())).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hash_table_keeps_the_contract() {
    let server = RedisServer::start();
    conformance::run(async || RedisHashTableStorage::new(handle(&server))).await.unwrap();
}

#[tokio::test]
async fn both_keep_the_contract_on_one_thread() {
    let server = RedisServer::start();
    conformance::run(async || RedisKeyValueStorage::new(handle(&server))).await.unwrap();
    conformance::run(async || RedisHashTableStorage::new(handle(&server))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_keep_the_contract_when_they_rename_by_copying() {
    let server = RedisServer::start();
    let key_value = async || RenamesByCopying(Arc::new(RedisKeyValueStorage::new(handle(&server))));
    conformance::run(key_value).await.unwrap();
    let hash = async || RenamesByCopying(Arc::new(RedisHashTableStorage::new(handle(&server))));
    conformance::run(hash).await.unwrap();
}

fn keys() -> KeyRing {
    KeyRing::new([EncryptionKey::random()]).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn key_value_keeps_the_contract_with_hashed_ids_and_encrypted_items() {
    let server = RedisServer::start();
    let sealed = || Sealed::new(RedisKeyValueStorage::new(handle(&server)), keys());
    conformance::run(async || HashedIds::new(sealed()).into_storage()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_encrypted_near_cache_keeps_the_contract() {
    let server = RedisServer::start();
    let redis = || Redis::builder(server.url()).near_cache(1 << 24).build().unwrap();
    let sealed = async || Sealed::new(RedisKeyValueStorage::new(redis()), keys());
    conformance::run(sealed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hash_table_keeps_the_contract_with_hashed_ids_and_encrypted_items() {
    let server = RedisServer::start();
    let sealed = || Sealed::new(RedisHashTableStorage::new(handle(&server)), keys());
    conformance::run(async || HashedIds::new(sealed()).into_storage()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_keep_the_contract_with_hashed_ids() {
    let server = RedisServer::start();
    let key_value = || RedisKeyValueStorage::new(handle(&server));
    conformance::run(async || HashedIds::new(key_value()).into_storage()).await.unwrap();
    let hash = || RedisHashTableStorage::new(handle(&server));
    conformance::run(async || HashedIds::new(hash()).into_storage()).await.unwrap();
}
