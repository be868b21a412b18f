//! The conformance suite on the Redis storages.

use std::sync::Arc;

use crate::common::*;
use session_core::conformance;

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
