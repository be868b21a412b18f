//! Connections: one per thread and runtime, closed with the last handle.

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use crate::common::*;
use tokio::runtime::{Builder, Runtime};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn read(runtime: &Runtime, storage: &dyn Storage) {
    assert!(runtime.block_on(storage.get_session(&id("a"))).unwrap().is_none());
}

/// Counts the connections to a server, without the one that counts.
fn connections(server: &RedisServer) -> usize {
    server.cli(&["CLIENT", "LIST", "TYPE", "normal"]).lines().count() - 1
}

/// Runs `runtime` until the server has the expected number of connections.
fn assert_connections(runtime: &Runtime, server: &RedisServer, expected: usize) {
    let deadline = Instant::now() + Duration::from_secs(2);
    while connections(server) != expected && Instant::now() < deadline {
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    }
    assert_eq!(connections(server), expected);
}

#[test]
fn storages_on_one_handle_share_a_connection_that_opens_on_first_use() {
    let (server, runtime) = (RedisServer::start(), runtime());
    let redis = handle(&server);
    let key_value = RedisKeyValueStorage::new(redis.clone());
    let hash = RedisHashTableStorage::new(redis);
    assert_eq!(connections(&server), 0);
    for _ in 0..3 {
        read(&runtime, &key_value);
        read(&runtime, &hash);
    }
    assert_eq!(connections(&server), 1);
}

#[test]
fn connections_close_with_the_last_handle() {
    let (server, runtime) = (RedisServer::start(), runtime());
    let redis = handle(&server);
    let storage = RedisKeyValueStorage::new(redis.clone());
    read(&runtime, &storage);
    drop(redis);
    read(&runtime, &storage);
    assert_eq!(connections(&server), 1);
    drop(storage);
    assert_connections(&runtime, &server, 0);
}

#[test]
fn supervisors_end_with_the_last_handle_while_the_server_is_down() {
    let mut server = RedisServer::start();
    let runtime = runtime();
    let storage = RedisKeyValueStorage::new(handle(&server));
    read(&runtime, &storage);
    server.kill();
    assert!(runtime.block_on(storage.get_session(&id("a"))).is_err());
    assert!(runtime.metrics().num_alive_tasks() > 0);
    drop(storage);
    let deadline = Instant::now() + Duration::from_secs(2);
    while runtime.metrics().num_alive_tasks() > 0 && Instant::now() < deadline {
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(5)).await });
    }
    assert_eq!(runtime.metrics().num_alive_tasks(), 0);
}

#[test]
fn a_thread_that_enters_another_runtime_opens_another_connection() {
    let server = RedisServer::start();
    let storage = RedisKeyValueStorage::new(handle(&server));
    let (one, other) = (runtime(), runtime());
    for _ in 0..3 {
        // While one runtime runs, the other does not drive its connection.
        read(&one, &storage);
        read(&other, &storage);
    }
    assert_connections(&one, &server, 2);
    drop(one);
    read(&other, &storage);
    assert_connections(&other, &server, 1);
    let third = runtime();
    read(&third, &storage);
    assert_connections(&third, &server, 2);
}

#[test]
fn each_thread_has_a_connection_of_its_own_that_closes_with_the_thread() {
    let server = RedisServer::start();
    let storage: Arc<dyn Storage> = Arc::new(RedisKeyValueStorage::new(handle(&server)));
    let shared = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    read(&shared, &*storage);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| read(&shared, &*storage));
        }
    });
    // The threads have ended; the runtime still runs.
    assert_connections(&shared, &server, 1);
    read(&shared, &*storage);
}
