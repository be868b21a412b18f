//! Servers that refuse a feature or a command: it costs the feature, and the error says why.

use std::{sync::Arc, time::Duration};

use crate::common::{
    support::{proxy::Proxy, redis::major_version},
    *,
};

const PASSWORD: &str = "secret";

/// Adds a user with these rules and returns the URL to sign in as that user.
fn user(server: &RedisServer, rules: &[&str]) -> String {
    let set = [&["ACL", "SETUSER", "shop", "on", ">secret", "~*"], rules].concat();
    assert_eq!(server.cli(&set), "OK");
    format!("redis://shop:{PASSWORD}@127.0.0.1:{}", server.port())
}

async fn works(storage: &dyn Storage) {
    let id = SessionId::random();
    let set = |json: &str| changes(json, &[]);
    assert_eq!(storage.set_session(&id, &set(r#"{"a":1}"#), CREATE).await.unwrap(), Written::Saved);
    assert_eq!(
        storage.set_session(&id, &set(r#"{"b":"x"}"#), UPDATE).await.unwrap(),
        Written::Saved
    );
    for _ in 0..3 {
        assert_eq!(json(storage, &id).await, r#"{"a":1,"b":"x"}"#);
    }
    assert_eq!(storage.get_size(&id).await.unwrap(), 2);
    assert!(storage.expires_in(&id).await.unwrap().is_some());
    assert!(storage.update_ttl(&id, TtlRange::at_least(TTL)).await.unwrap());
    let to = SessionId::random();
    assert!(storage.rename(&id, &to, RenameOptions::default()).await.unwrap());
    assert!(storage.remove_all(&to, None).await.unwrap());
    assert_eq!(json(storage, &to).await, "none");
}

async fn both_work(redis: Redis) {
    works(&RedisKeyValueStorage::new(redis.clone())).await;
    works(&RedisHashTableStorage::new(redis)).await;
}

#[tokio::test]
async fn without_client_tracking_everything_works_without_the_near_cache() {
    let server = RedisServer::start();
    // Redis 6 cannot forbid a part of a command.
    let denied = if major_version() < 7 { "-client" } else { "-client|tracking" };
    let url = user(&server, &["+@all", denied]);
    let redis = Redis::builder(&url).near_cache(1 << 20).build().unwrap();
    both_work(redis.clone()).await;
    assert_eq!(redis.near_cache_stats().unwrap().hits, 0);

    // Once it is allowed, new connections use it.
    user(&server, &["+@all"]);
    server.cli(&["CLIENT", "KILL", "USER", "shop"]);
    // A write over the lost connection would fail.
    tokio::time::sleep(Duration::from_millis(50)).await;
    let storage = RedisKeyValueStorage::new(redis.clone());
    let id = SessionId::random();
    storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    for _ in 0..100 {
        storage.get_session(&id).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
        if redis.near_cache_stats().unwrap().hits > 0 {
            return;
        }
    }
    panic!("the near cache stays off");
}

#[tokio::test]
async fn a_server_that_does_not_speak_resp3_is_spoken_to_with_resp2() {
    let unknown = RedisServer::start_with(&["--rename-command", "HELLO", ""]);
    let forbidden = RedisServer::start();
    for url in [unknown.url(), user(&forbidden, &["+@all", "-hello"])] {
        both_work(Redis::builder(&url).build().unwrap()).await;
        both_work(Redis::builder(&url).near_cache(1 << 20).build().unwrap()).await;
    }
}

#[tokio::test]
async fn over_resp2_a_lost_connection_is_replaced_before_the_next_write() {
    let server = RedisServer::start_with(&["--rename-command", "HELLO", ""]);
    let storage = RedisKeyValueStorage::new(handle(&server));
    let id = SessionId::random();
    storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await.unwrap();
    server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // The first command is a write, which is not sent twice.
    let id = SessionId::random();
    let written = storage.set_session(&id, &changes(r#"{"b":1}"#, &[]), CREATE).await;
    assert_eq!(written.unwrap(), Written::Saved);
}

#[tokio::test]
async fn without_cjson_a_logout_still_works() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    // The server gets a script that names a library it does not have.
    proxy.replace("cjson", "jsonc");
    both_work(Redis::builder(proxy.url()).build().unwrap()).await;
}

#[tokio::test]
async fn an_error_names_what_the_server_has_said() {
    let refusal = async |storage: &dyn Storage| {
        let failure = storage.update_ttl(&id("a"), TtlRange::at_least(TTL)).await.err();
        let failure = match failure {
            Some(failure) => failure,
            None => {
                let set = changes(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1000)), &[]);
                let create = storage.set_session(&SessionId::random(), &set, CREATE).await;
                create.expect_err("it is refused")
            }
        };
        std::error::Error::source(&failure).expect("it has a cause").to_string()
    };
    let server = RedisServer::start();
    let storage = |url: &str| -> Arc<dyn Storage> {
        Arc::new(RedisHashTableStorage::new(Redis::builder(url).build().unwrap()))
    };
    let url = user(&server, &["+@all", "-hlen"]);
    // From Redis 8 on the server names the command of a script.
    let denied = if major_version() < 8 { "a command of a script" } else { "hlen" };
    let in_script = format!("redis: no permission for {denied} (NOPERM)");
    assert_eq!(refusal(&*storage(&url)).await, in_script);
    let get_size = storage(&user(&server, &["+@all", "-evalsha"])).get_size(&id("a")).await;
    let refused = std::error::Error::source(&get_size.unwrap_err()).unwrap().to_string();
    assert_eq!(refused, "redis: no permission for evalsha (NOPERM)");
    user(&server, &["+@all", "resetkeys", "~other:*"]);
    assert_eq!(refusal(&*storage(&url)).await, "redis: no permission for the keys (NOPERM)");
    server.cli(&["CONFIG", "SET", "maxmemory", "1"]);
    assert_eq!(refusal(&*storage(&server.url())).await, "redis: out of memory (OOM)");
    server.cli(&["CONFIG", "SET", "maxmemory", "0"]);
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "1"]);
    // Redis 6 does not refuse what a script writes.
    let strings = RedisKeyValueStorage::new(Redis::builder(server.url()).build().unwrap());
    assert_eq!(refusal(&strings).await, "redis: too few replicas (NOREPLICAS)");
    server.cli(&["CONFIG", "SET", "min-replicas-to-write", "0"]);
    // It cannot save its data in a directory that is gone.
    server.cli(&["CONFIG", "SET", "save", "3600 1"]);
    let directory = server.cli(&["CONFIG", "GET", "dir"]);
    std::fs::remove_dir_all(directory.lines().last().unwrap()).unwrap();
    server.cli(&["BGSAVE"]);
    while server.info("rdb_last_bgsave_status") != "err" {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let reason = "redis: it cannot save its data and takes no writes (MISCONF)";
    assert_eq!(refusal(&strings).await, reason);
}
