//! A sick server: every operation ends in time, and service returns by itself.

use std::{future::Future, time::Duration};

use crate::common::{
    support::{
        proxy::{Harm, Proxy},
        redis::free_port,
    },
    *,
};
use session_core::{Error, Result};
use tokio::time::{Instant, sleep};

const TIMEOUT: Duration = Duration::from_millis(500);
/// What a busy machine may add.
const SLACK: Duration = Duration::from_millis(100);
const AT_ONCE: Duration = Duration::from_millis(50);

fn impatient(url: &str) -> Redis {
    Redis::builder(url).response_timeout(TIMEOUT).build().unwrap()
}

fn both(url: &str) -> [Box<dyn Storage>; 2] {
    let redis = impatient(url);
    [
        Box::new(RedisKeyValueStorage::new(redis.clone())),
        Box::new(RedisHashTableStorage::new(redis)),
    ]
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, Duration) {
    let begin = Instant::now();
    (future.await, begin.elapsed())
}

async fn create(storage: &dyn Storage, id: &SessionId) {
    let written = storage.set_session(id, &changes(r#"{"a":1}"#, &[]), CREATE).await;
    assert_eq!(written.unwrap(), Written::Saved);
}

/// Calls every method once and returns how long the slowest took. All fail for the store's fault.
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
    check(timed(async { storage.update_ttl(&id, TTL).await.err() }).await);
    check(timed(async { storage.remove_all(&id, None).await.err() }).await);
    check(timed(async { storage.remove_all(&id, Some(&seen)).await.err() }).await);
    check(timed(async { storage.expires_in(&id).await.err() }).await);
    check(timed(async { storage.get(&id, "a").await.err() }).await);
    check(timed(async { storage.contains(&id, "a").await.err() }).await);
    check(timed(async { storage.get_size(&id).await.err() }).await);
    check(timed(async { storage.rename(&id, &to).await.err() }).await);
    slowest
}

/// Reads until the storage answers again, for at most a second.
async fn assert_back(storage: &dyn Storage, id: &SessionId) {
    let begin = Instant::now();
    loop {
        let answer = storage.get_session(id).await;
        let time = begin.elapsed();
        assert!(time < Duration::from_secs(1), "not back after {time:?}: {answer:?}");
        if answer.is_ok() {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until the supervisor knows, which some request has to find out first.
async fn until_known(storage: &dyn Storage, id: &SessionId) {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(2) {
        let (answer, time) = timed(storage.get_session(id)).await;
        if answer.is_err() && time < AT_ONCE {
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
    panic!("never failed at once");
}

#[tokio::test]
async fn g8_nobody_there_fails_at_once_and_service_begins_when_somebody_is() {
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
    assert_back(&*storage, &id("a")).await;
}

#[tokio::test]
async fn g8_a_stopped_server_costs_its_first_requests_the_timeout_and_later_ones_nothing() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = SessionId::random();
        create(&*storage, &id).await;
        server.pause();
        // Several at a time, as requests come.
        let get = || timed(storage.get_session(&id));
        for (answer, time) in <[_; 3]>::from(tokio::join!(get(), get(), get())) {
            assert!(matches!(answer, Err(Error::Timeout)), "{answer:?}");
            assert!(time < TIMEOUT + SLACK, "{time:?}");
        }
        until_known(&*storage, &id).await;
        assert!(slowest_failure(&*storage).await < AT_ONCE);
        server.resume();
        assert_back(&*storage, &id).await;
        assert_eq!(json(&*storage, &id).await, r#"{"a":1}"#);
    }
}

#[tokio::test]
async fn g8_a_large_session_is_waited_for_no_longer_than_any_other() {
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
        assert_back(&*storage, &id).await;
        assert!(storage.remove_all(&id, None).await.unwrap());
    }
}

#[tokio::test]
async fn g8_an_operation_of_many_commands_ends_with_one_timeout() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    let [storage, _] = both(&proxy.url());
    create(&*storage, &id("a")).await;
    // Each answer comes in time, both together do not.
    proxy.harm(Harm::Delay(TIMEOUT * 7 / 10));
    let set = changes(r#"{"b":1}"#, &[]);
    let (written, time) = timed(storage.set_session(&id("a"), &set, UPDATE)).await;
    assert!(matches!(written, Err(Error::Timeout)), "{written:?}");
    assert!(time < TIMEOUT + SLACK, "{time:?}");
}

#[tokio::test]
async fn g8_a_killed_server_fails_at_once_and_is_found_again() {
    let mut server = RedisServer::start();
    let storages = both(&server.url());
    for storage in &storages {
        create(&**storage, &SessionId::random()).await;
    }
    server.kill();
    for storage in &storages {
        until_known(&**storage, &id("a")).await;
        assert!(slowest_failure(&**storage).await < AT_ONCE);
    }
    server.restart();
    for storage in &storages {
        assert_back(&**storage, &id("a")).await;
        // The scripts are unknown now.
        create(&**storage, &SessionId::random()).await;
    }
}

#[tokio::test]
async fn g8_reads_do_not_notice_that_connections_are_killed() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = SessionId::random();
        create(&*storage, &id).await;
        for round in 0..20 {
            server.cli(&["CLIENT", "KILL", "TYPE", "normal"]);
            if round % 2 == 0 {
                // Long enough to hear of it.
                sleep(Duration::from_millis(2)).await;
            }
            let (session, time) = timed(storage.get_session(&id)).await;
            assert!(session.unwrap().is_some());
            assert!(time < TIMEOUT, "{time:?}");
        }
    }
}

#[tokio::test]
async fn g8_a_lost_connection_is_replaced_before_the_next_write_notices() {
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
async fn g8_a_connection_that_swallows_everything_is_replaced() {
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
        until_known(&*storage, &id).await;
        assert!(slowest_failure(&*storage).await < AT_ONCE);
        proxy.harm(Harm::None);
        assert_back(&*storage, &id).await;
    }
}

#[tokio::test]
async fn g8_an_answer_that_breaks_off_is_asked_for_again() {
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
async fn g8_a_demoted_server_is_asked_for_no_write_until_it_is_promoted() {
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
        let begin = Instant::now();
        let mut slowest = Duration::ZERO;
        for _ in 0..WRITES {
            let (written, time) = timed(write()).await;
            let refused = format!("{:?}", written.unwrap_err());
            assert!(refused.contains("takes no writes"), "{refused}");
            slowest = slowest.max(time);
            assert!(storage.get_session(&id).await.unwrap().is_some(), "reads go on");
            sleep(Duration::from_millis(1)).await;
        }
        let probes = calls(&server, "role");
        let most = begin.elapsed().as_millis() / 100 + 2;
        println!("{WRITES} writes refused in {slowest:?} at most; {probes} probes, {most} allowed");
        assert!(slowest < AT_ONCE, "{slowest:?}");
        assert_eq!(calls(&server, "evalsha") + calls(&server, "eval"), 0, "nobody asks in vain");
        assert!((1..=most).contains(&probes), "{probes} probes, {most} allowed");

        server.cli(&["REPLICAOF", "NO", "ONE"]);
        let promoted = Instant::now();
        while write().await.is_err() {
            assert!(promoted.elapsed() < Duration::from_secs(1));
            sleep(Duration::from_millis(2)).await;
        }
        assert_eq!(json(&*storage, &id).await, r#"{"a":1,"b":1}"#);
    }
}

/// How often a server has been asked to do this.
fn calls(server: &RedisServer, command: &str) -> u128 {
    let told = server.info(&format!("cmdstat_{command}"));
    let calls = told.strip_prefix("calls=").and_then(|rest| rest.split(',').next());
    calls.map_or(0, |calls| calls.parse().expect("a number"))
}

#[tokio::test]
async fn g8_a_server_that_is_loading_fails_at_once_and_is_used_when_it_is_done() {
    // Two seconds for 1,000 keys.
    let slowly = ["--key-load-delay", "2000", "--loading-process-events-interval-bytes", "1024"];
    let mut server = RedisServer::start_with(&slowly);
    let [storage, _] = both(&server.url());
    create(&*storage, &id("a")).await;
    let fill = "for i = 1, 1000 do redis.call('SET', 'k' .. i, string.rep('x', 100)) end";
    server.cli(&["EVAL", fill, "0"]);
    assert_eq!(server.cli(&["SAVE"]), "OK");
    server.kill();
    server.restart();
    assert!(server.cli(&["GET", "x"]).starts_with("LOADING"), "the server loads too fast");
    until_known(&*storage, &id("a")).await;
    // It accepts connections all the while, which must not count.
    for _ in 0..10 {
        assert!(slowest_failure(&*storage).await < AT_ONCE);
        sleep(Duration::from_millis(30)).await;
    }
    let patience = Instant::now() + Duration::from_secs(10);
    while server.cli(&["GET", "x"]).starts_with("LOADING") && Instant::now() < patience {
        sleep(Duration::from_millis(10)).await;
    }
    assert_back(&*storage, &id("a")).await;
    assert_eq!(json(&*storage, &id("a")).await, r#"{"a":1}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g8_a_server_busy_with_a_script_is_left_alone_until_it_is_done() {
    let server = std::sync::Arc::new(RedisServer::start_with(&["--busy-reply-threshold", "20"]));
    let [storage, _] = both(&server.url());
    create(&*storage, &id("a")).await;
    let stuck = server.clone();
    let stuck = std::thread::spawn(move || stuck.cli(&["EVAL", "while true do end", "0"]));
    until_known(&*storage, &id("a")).await;
    assert!(slowest_failure(&*storage).await < AT_ONCE);
    server.cli(&["SCRIPT", "KILL"]);
    stuck.join().unwrap();
    assert_back(&*storage, &id("a")).await;
}

#[tokio::test]
async fn g12_a_wrong_password_is_reported_without_it() {
    let server = RedisServer::start_with(&["--requirepass", "right"]);
    let port = server.port();
    for (url, fault) in [
        (format!("redis://:wrong-secret@127.0.0.1:{port}"), "WRONGPASS"),
        (format!("redis://127.0.0.1:{port}"), "NOAUTH"),
    ] {
        let storage = RedisKeyValueStorage::new(impatient(&url));
        let (answer, time): (Result<_>, _) = timed(storage.get_session(&id("a"))).await;
        let shown = format!("{:?}", answer.unwrap_err());
        assert!(shown.contains(fault) && !shown.contains("secret"), "{shown}");
        assert!(time < TIMEOUT, "{time:?}");
    }
    let right = format!("redis://:right@127.0.0.1:{port}");
    create(&RedisKeyValueStorage::new(impatient(&right)), &id("a")).await;
}

#[tokio::test]
async fn a_request_that_is_dropped_disturbs_no_other() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = SessionId::random();
        create(&*storage, &id).await;
        for _ in 0..50 {
            // Polled once: sent, and then given up.
            let _ = tokio::time::timeout(Duration::ZERO, storage.get_session(&id)).await;
            assert!(storage.get_session(&id).await.unwrap().is_some());
        }
    }
}
