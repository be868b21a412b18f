//! Connections that something between here and the server has forgotten, and servers far away.

use std::{thread, time::Duration};

use crate::common::{
    support::proxy::{Harm, Proxy},
    *,
};
use tokio::time::Instant;

const TIMEOUT: Duration = Duration::from_millis(800);

fn both(url: &str) -> [Box<dyn Storage>; 2] {
    let redis = Redis::builder(url).response_timeout(TIMEOUT).build().unwrap();
    [
        Box::new(RedisKeyValueStorage::new(redis.clone())),
        Box::new(RedisHashTableStorage::new(redis)),
    ]
}

async fn create(storage: &dyn Storage) -> SessionId {
    let id = SessionId::random();
    let written = storage.set_session(&id, &changes(r#"{"a":1}"#, &[]), CREATE).await;
    assert_eq!(written.unwrap(), Written::Saved);
    id
}

#[tokio::test]
async fn g8_a_read_over_a_forgotten_connection_goes_out_again_over_a_new_one() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    for storage in both(&proxy.url()) {
        let id = create(&*storage).await;
        proxy.forget_connections();
        let began = Instant::now();
        let read = || storage.get_session(&id);
        let reads = futures_util::future::join_all((0..16).map(|_| read())).await;
        for session in reads {
            assert!(session.unwrap().is_some());
        }
        assert!(began.elapsed() < TIMEOUT, "{:?}", began.elapsed());
        assert!(read().await.unwrap().is_some());
    }
}

/// Returns the state and the timer of each connection of this machine to a port.
#[cfg(target_os = "linux")]
fn timers_of_connections_to(port: u16) -> Vec<(String, u32)> {
    let connections = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let rows = connections.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let own = rows.filter(|row| row[2].ends_with(&format!(":{port:04X}")) && row[3] == "01");
    own.map(|row| {
        let (timer, when) = row[5].split_once(':').unwrap();
        (timer.to_owned(), u32::from_str_radix(when, 16).unwrap())
    })
    .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn idle_connections_are_kept_alive() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        create(&*storage).await;
        let timers = timers_of_connections_to(server.port());
        // The next probe, in hundredths of a second. Unless it is set it comes after two hours.
        let probes = timers.iter().filter(|(timer, when)| timer == "02" && *when <= 3000);
        assert_eq!(probes.count(), timers.len(), "{timers:?}");
        assert!(!timers.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn g8_an_idle_connection_is_proven_before_it_is_trusted_with_a_write() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    for storage in both(&proxy.url()) {
        // Waiting for the server is no idleness: the clock moves only where this test moves it.
        let id = real_time(create(&*storage)).await;
        proxy.forget_connections();
        tokio::time::advance(Duration::from_secs(240)).await;
        tokio::time::resume();
        let set = changes(r#"{"b":1}"#, &[]);
        let written = storage.set_session(&id, &set, UPDATE).await;
        assert_eq!(written.unwrap(), Written::Saved);
        tokio::time::pause();
    }
}

/// Awaits a future while the clock runs.
async fn real_time<F: Future>(future: F) -> F::Output {
    tokio::time::resume();
    let output = future.await;
    tokio::time::pause();
    output
}

#[tokio::test]
async fn a_connection_in_use_is_not_proven() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    let [storage, _] = both(&proxy.url());
    let id = create(&*storage).await;
    storage.get_session(&id).await.unwrap();
    proxy.reset();
    for _ in 0..10 {
        storage.set_session(&id, &changes(r#"{"b":1}"#, &[]), UPDATE).await.unwrap();
        storage.get_session(&id).await.unwrap();
    }
    assert!(!proxy.commands().contains(&"PING".to_owned()), "{:?}", proxy.commands());
}

#[tokio::test]
async fn a_server_that_is_far_away_is_reached_within_the_configured_timeouts() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    proxy.harm(Harm::Delay(Duration::from_millis(600)));
    let five = Duration::from_secs(5);
    let redis = Redis::builder(proxy.url()).connect_timeout(five).response_timeout(five);
    let storage = RedisKeyValueStorage::new(redis.build().unwrap());
    let id = create(&storage).await;
    assert!(storage.get_session(&id).await.unwrap().is_some());
}

#[tokio::test]
async fn an_attempt_to_connect_may_take_as_long_as_configured_and_no_longer() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    proxy.harm(Harm::Delay(Duration::from_millis(400)));
    let redis = Redis::builder(proxy.url()).connect_timeout(Duration::from_millis(200));
    let storage = RedisKeyValueStorage::new(redis.build().unwrap());
    let failure = format!("{:?}", storage.get_session(&id("a")).await.unwrap_err());
    assert!(failure.contains("is not reachable: timed out"), "{failure}");
}

#[tokio::test]
async fn g8_a_thread_that_was_busy_does_not_blame_redis() {
    let server = RedisServer::start();
    for storage in both(&server.url()) {
        let id = create(&*storage).await;
        let read = storage.get_session(&id);
        let busy = async {
            // The command has been sent.
            tokio::time::sleep(Duration::from_millis(20)).await;
            thread::sleep(TIMEOUT * 2);
        };
        let (session, ()) = tokio::join!(read, busy);
        assert!(session.unwrap().is_some());
        assert!(storage.get_session(&id).await.unwrap().is_some(), "the connection is kept");
    }
    let clients = server.cli(&["CLIENT", "LIST", "TYPE", "normal"]).lines().count() - 1;
    assert!(clients <= 2, "{clients} connections");
}
