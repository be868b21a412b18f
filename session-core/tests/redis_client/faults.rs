//! Faulty servers: every operation ends in time, and the client recovers without help.

use std::{future::Future, time::Duration};

use crate::common::{
    support::{
        proxy::{Harm, Proxy},
        redis::free_port,
    },
    *,
};
use session_core::{Error, RenameOptions, Result};
use tokio::time::{Instant, sleep};

const TIMEOUT: Duration = Duration::from_millis(500);
/// The time that a busy machine may add.
const SLACK: Duration = Duration::from_millis(100);
/// The limit for an operation that must not wait.
const AT_ONCE: Duration = Duration::from_millis(50);

fn redis(url: &str) -> Redis {
    Redis::builder(url).response_timeout(TIMEOUT).build().unwrap()
}

fn both(url: &str) -> [Box<dyn Storage>; 2] {
    let redis = self::redis(url);
    [
        Box::new(RedisKeyValueStorage::new(redis.clone())),
        Box::new(RedisHashTableStorage::new(redis)),
    ]
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let start = Instant::now();
    (future.await, start.elapsed())
}

async fn create(storage: &dyn Storage, id: &SessionId) {
    let written = storage.set_session(id, &changes(r#"{"a":1}"#, &[]), CREATE).await;
    assert_eq!(written.unwrap(), Written::Saved);
}

/// Asserts that every method fails as unavailable. Returns the longest duration.
async fn slowest_failure(storage: &dyn Storage) -> Duration {
    let (id, to, seen) = (SessionId::random(), SessionId::random(), snapshot(r#"{"a":1}"#));
    let set = changes(r#"{"a":2}"#, &[]);
    let update_seen = UPDATE.seen(&seen);
    let mut slowest = Duration::ZERO;
    let mut check = |(error, time): (Option<Error>, Duration)| {
        let error = error.expect("a failure");
        assert!(error.is_unavailable(), "{error:?}");
        assert!(!format!("{error:?}").contains(id.as_str()), "{error:?}");
        slowest = slowest.max(time);
    };
    check(timed(async { storage.get_session(&id).await.err() }).await);
    check(timed(async { storage.set_session(&id, &set, CREATE).await.err() }).await);
    check(timed(async { storage.set_session(&id, &set, UPDATE).await.err() }).await);
    check(timed(async { storage.set_session(&id, &set, update_seen).await.err() }).await);
    check(timed(async { storage.update_ttl(&id, TtlRange::at_least(TTL)).await.err() }).await);
    check(timed(async { storage.remove_all(&id, None).await.err() }).await);
    check(timed(async { storage.remove_all(&id, Some(&seen)).await.err() }).await);
    check(timed(async { storage.expires_in(&id).await.err() }).await);
    check(timed(async { storage.get(&id, "a").await.err() }).await);
    check(timed(async { storage.contains(&id, "a").await.err() }).await);
    check(timed(async { storage.get_size(&id).await.err() }).await);
    check(timed(async { storage.rename(&id, &to, RenameOptions::default()).await.err() }).await);
    slowest
}

/// Asserts that reads succeed again within a second.
async fn assert_recovers(storage: &dyn Storage, id: &SessionId) {
    let start = Instant::now();
    loop {
        let answer = storage.get_session(id).await;
        let time = start.elapsed();
        assert!(time < Duration::from_secs(1), "still failing after {time:?}: {answer:?}");
        if answer.is_ok() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until operations fail at once. The first ones have to run into the fault.
async fn until_detected(storage: &dyn Storage, id: &SessionId) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        let (answer, time) = timed(storage.get_session(id)).await;
        if answer.is_err() && time < AT_ONCE {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("reads never failed at once");
}

#[tokio::test]
async fn g8_without_a_server_operations_fail_at_once_until_one_starts() {
    let url = format!("redis://127.0.0.1:{}", free_port());
    for storage in both(&url) {
        assert!(slowest_failure(&*storage).await < AT_ONCE);
    }
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    proxy.harm(Harm::Refuse);
    let [storage, _] = both(&proxy.url());
    assert!(slowest_failure(&*storage).await < AT_ONCE);
    proxy.harm(Harm::None);
    assert_recovers(&*storage, &id("a")).await;
}

#[tokio::test]
async fn g8_a_stopped_server_delays_only_the_first_requests_by_the_timeout() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = SessionId::random();
        create(&*storage, &id).await;
        server.pause();
        let get = || timed(storage.get_session(&id));
        for (answer, time) in <[_; 3]>::from(tokio::join!(get(), get(), get())) {
            assert!(matches!(answer, Err(Error::Timeout)), "{answer:?}");
            assert!(time < TIMEOUT + SLACK, "{time:?}");
        }
        until_detected(&*storage, &id).await;
        assert!(slowest_failure(&*storage).await < AT_ONCE);
        server.resume();
        assert_recovers(&*storage, &id).await;
        assert_eq!(json(&*storage, &id).await, r#"{"a":1}"#);
    }
}

#[tokio::test]
async fn g8_large_sessions_have_the_same_timeout() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = SessionId::random();
        let large = changes(&format!(r#"{{"a":"{}"}}"#, "x".repeat(1 << 20)), &[]);
        storage.set_session(&id, &large, CREATE).await.unwrap();
        storage.get_session(&id).await.unwrap();
        server.pause();
        let (read, time) = timed(storage.get_session(&id)).await;
        assert!(matches!(read, Err(Error::Timeout)), "{read:?}");
        assert!(time < TIMEOUT + SLACK, "{time:?}");
        let (written, time) = timed(storage.set_session(&id, &large, UPDATE)).await;
        assert!(written.is_err(), "{written:?}");
        assert!(time < TIMEOUT + SLACK, "{time:?}");
        server.resume();
        assert_recovers(&*storage, &id).await;
        assert!(storage.remove_all(&id, None).await.unwrap());
    }
}

#[tokio::test]
async fn g8_an_operation_of_several_commands_has_one_timeout() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    let [storage, _] = both(&proxy.url());
    create(&*storage, &id("a")).await;
    // Each answer arrives within the timeout, but not both.
    proxy.harm(Harm::Delay(TIMEOUT * 7 / 10));
    let set = changes(r#"{"b":1}"#, &[]);
    let (written, time) = timed(storage.set_session(&id("a"), &set, UPDATE)).await;
    assert!(matches!(written, Err(Error::Timeout)), "{written:?}");
    assert!(time < TIMEOUT + SLACK, "{time:?}");
}

#[tokio::test]
async fn g8_with_a_killed_server_operations_fail_at_once_until_it_is_restarted() {
    let mut server = RedisServer::start();
    let storages = both(&server.url());
    for storage in &storages {
        create(&**storage, &SessionId::random()).await;
    }
    server.kill();
    for storage in &storages {
        until_detected(&**storage, &id("a")).await;
        assert!(slowest_failure(&**storage).await < AT_ONCE);
    }
    server.restart();
    for storage in &storages {
        assert_recovers(&**storage, &id("a")).await;
        // The restarted server does not know the scripts.
        create(&**storage, &SessionId::random()).await;
    }
}

#[tokio::test]
async fn g8_reads_survive_killed_connections() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = SessionId::random();
        create(&*storage, &id).await;
        for round in 0..20 {
            server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            if round % 2 == 0 {
                // Long enough for the client to notice.
                sleep(Duration::from_millis(2)).await;
            }
            let (session, time) = timed(storage.get_session(&id)).await;
            assert!(session.unwrap().is_some());
            assert!(time < TIMEOUT, "{time:?}");
        }
    }
}

#[tokio::test]
async fn g8_a_lost_connection_is_replaced_before_the_next_write() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = SessionId::random();
        create(&*storage, &id).await;
        for _ in 0..10 {
            server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            sleep(Duration::from_millis(5)).await;
            let written = storage.set_session(&id, &changes(r#"{"a":2}"#, &[]), UPDATE).await;
            assert_eq!(written.unwrap(), Written::Saved);
        }
    }
}

#[tokio::test]
async fn g8_a_connection_that_no_longer_answers_is_replaced() {
    let server = RedisServer::start();
    for kind in 0..2 {
        let proxy = Proxy::before(server.port());
        let [key_value, hash] = both(&proxy.url());
        let storage = if kind == 0 { key_value } else { hash };
        let id = SessionId::random();
        create(&*storage, &id).await;
        proxy.harm(Harm::Swallow);
        let (answer, time) = timed(storage.get_session(&id)).await;
        assert!(matches!(answer, Err(Error::Timeout)), "{answer:?}");
        assert!(time < TIMEOUT + SLACK, "{time:?}");
        until_detected(&*storage, &id).await;
        assert!(slowest_failure(&*storage).await < AT_ONCE);
        proxy.harm(Harm::None);
        assert_recovers(&*storage, &id).await;
    }
}

#[tokio::test]
async fn g8_a_read_whose_answer_is_truncated_is_repeated() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    for storage in both(&proxy.url()) {
        let id = SessionId::random();
        create(&*storage, &id).await;
        proxy.harm(Harm::Truncate(3));
        let (session, time) = timed(storage.get_session(&id)).await;
        assert!(session.unwrap().is_some());
        assert!(time < TIMEOUT + SLACK, "{time:?}");
    }
}

#[tokio::test]
async fn g7_a_write_whose_answer_is_lost_is_not_sent_again() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    let [_, hash] = both(&proxy.url());
    create(&*hash, &id("a")).await;
    proxy.reset();
    proxy.harm(Harm::Truncate(1));
    let written = hash.set_session(&id("a"), &changes(r#"{"b":1}"#, &[]), UPDATE).await;
    assert!(written.unwrap_err().is_unavailable());
    let scripts = proxy.commands().into_iter().filter(|name| name.starts_with("EVAL")).count();
    assert_eq!(scripts, 1);
}

#[tokio::test]
async fn g8_a_demoted_server_is_sent_no_write_until_it_is_promoted() {
    const WRITES: usize = 200;
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = SessionId::random();
        create(&*storage, &id).await;
        server.cli(&["REPLICAOF", "127.0.0.1", &free_port().to_string()]);
        let set = changes(r#"{"b":1}"#, &[]);
        let write = || storage.set_session(&id, &set, UPDATE);
        let (written, time) = timed(write()).await;
        assert!(written.unwrap_err().is_unavailable());
        assert!(time < TIMEOUT / 2, "the first refusal took {time:?}");

        assert_eq!(server.cli(&["CONFIG", "RESETSTAT"]), "OK");
        let start = Instant::now();
        let mut slowest = Duration::ZERO;
        for _ in 0..WRITES {
            let (written, time) = timed(write()).await;
            let refused = format!("{:?}", written.unwrap_err());
            assert!(refused.contains("takes no writes"), "{refused}");
            slowest = slowest.max(time);
            assert!(storage.get_session(&id).await.unwrap().is_some(), "reads still succeed");
            sleep(Duration::from_millis(1)).await;
        }
        let probes = calls(&server, "role");
        let most = start.elapsed().as_millis() / 100 + 2;
        println!("{WRITES} writes refused within {slowest:?}; {probes} probes of at most {most}");
        assert!(slowest < AT_ONCE, "{slowest:?}");
        assert_eq!(calls(&server, "evalsha") + calls(&server, "eval"), 0, "no write is sent");
        assert!((1..=most).contains(&probes), "{probes} probes of at most {most}");

        server.cli(&["REPLICAOF", "NO", "ONE"]);
        let promoted = Instant::now();
        while write().await.is_err() {
            assert!(promoted.elapsed() < Duration::from_secs(1));
            sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(json(&*storage, &id).await, r#"{"a":1,"b":1}"#);
    }
}

/// Returns how many times a server has executed a command.
fn calls(server: &RedisServer, command: &str) -> u128 {
    let stats = server.info(&format!("cmdstat_{command}"));
    let calls = stats.strip_prefix("calls=").and_then(|rest| rest.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

#[tokio::test]
async fn g8_with_a_loading_server_operations_fail_at_once_until_it_has_loaded() {
    // Loading 1,000 keys takes two seconds.
    let slow_loading =
        ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    let mut server = RedisServer::start_with(&slow_loading);
    let [storage, _] = both(&server.url());
    create(&*storage, &id("a")).await;
    let fill = "for i = 1, 1000 do redis.call('SET', 'k' .. i, string.rep('x', 100)) end";
    server.cli(&["EVAL", fill, "0"]);
    assert_eq!(server.cli(&["SAVE"]), "OK");
    server.kill();
    server.restart();
    assert!(server.cli(&["GET", "x"]).starts_with("LOADING"), "the server loads too fast");
    until_detected(&*storage, &id("a")).await;
    // It accepts connections while it loads, which must not count as recovery.
    for _ in 0..10 {
        assert!(slowest_failure(&*storage).await < AT_ONCE);
        sleep(Duration::from_millis(30)).await;
    }
    let deadline = Instant::now() + Duration::from_secs(10);
    while server.cli(&["GET", "x"]).starts_with("LOADING") && Instant::now() < deadline {
        sleep(Duration::from_millis(10)).await;
    }
    assert_recovers(&*storage, &id("a")).await;
    assert_eq!(json(&*storage, &id("a")).await, r#"{"a":1}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_with_a_server_busy_with_a_script_operations_fail_at_once_until_it_is_done() {
    let server = std::sync::Arc::new(RedisServer::start_with(&["--lua-time-limit", "20"]));
    let [storage, _] = both(&server.url());
    create(&*storage, &id("a")).await;
    let stuck = server.clone();
    let stuck = std::thread::spawn(move || stuck.cli(&["EVAL", "while true do end", "0"]));
    until_detected(&*storage, &id("a")).await;
    assert!(slowest_failure(&*storage).await < AT_ONCE);
    server.cli(&["SCRIPT", "KILL"]);
    stuck.join().unwrap();
    assert_recovers(&*storage, &id("a")).await;
}

#[tokio::test]
async fn g12_errors_about_a_wrong_password_do_not_contain_it() {
    let server = RedisServer::start_with(&["--requirepass", "right"]);
    let port = server.port();
    for (url, fault) in [
        (format!("redis://:wrong-secret@127.0.0.1:{port}"), "WRONGPASS"),
        (format!("redis://127.0.0.1:{port}"), "NOAUTH"),
    ] {
        let storage = RedisKeyValueStorage::new(self::redis(&url));
        let (answer, time): (Result<_>, _) = timed(storage.get_session(&id("a"))).await;
        let shown = format!("{:?}", answer.unwrap_err());
        assert!(shown.contains(fault) && !shown.contains("secret"), "{shown}");
        assert!(time < TIMEOUT, "{time:?}");
    }
    let right = format!("redis://:right@127.0.0.1:{port}");
    create(&RedisKeyValueStorage::new(self::redis(&right)), &id("a")).await;
}

#[tokio::test]
async fn a_dropped_operation_does_not_affect_others() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = SessionId::random();
        create(&*storage, &id).await;
        for _ in 0..50 {
            // Polled once, so the command is sent, and then dropped.
            let _ = tokio::time::timeout(Duration::ZERO, storage.get_session(&id)).await;
            assert!(storage.get_session(&id).await.unwrap().is_some());
        }
    }
}
