//! Many threads: what one finds out holds for all, and those without a connection use another's.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use crate::common::{
    support::{
        cluster::RedisCluster,
        proxy::{Harm, Proxy},
        redis::major_version,
        sentinel::RedisSentinel,
    },
    *,
};
use tokio::{runtime::Builder, time::sleep};

const THREADS: usize = 16;

/// Threads that read without a pause of more than 5 ms, each on a runtime of its own.
struct Readers {
    stop: Arc<AtomicBool>,
    failures: Arc<AtomicUsize>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Readers {
    /// Starts the threads and waits until each has read for the first time.
    fn start(storage: &Arc<dyn Storage>) -> Self {
        let (stop, failures) = (Arc::<AtomicBool>::default(), Arc::<AtomicUsize>::default());
        let started = Arc::new(Barrier::new(THREADS + 1));
        let threads = (0..THREADS).map(|_| {
            let (storage, stop) = (storage.clone(), stop.clone());
            let (failures, started) = (failures.clone(), started.clone());
            thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(async {
                    let _ = storage.get_session(&SessionId::random()).await;
                });
                started.wait();
                runtime.block_on(async {
                    while !stop.load(Ordering::Relaxed) {
                        if let Err(failure) = storage.get_session(&SessionId::random()).await {
                            println!("{failure:?}");
                            failures.fetch_add(1, Ordering::Relaxed);
                        }
                        sleep(Duration::from_millis(5)).await;
                    }
                });
            })
        });
        let threads = threads.collect();
        started.wait();
        Self { stop, failures, threads }
    }

    fn failures(&self) -> usize {
        self.failures.load(Ordering::Relaxed)
    }

    /// Waits until no thread has failed for half a second.
    fn until_all_succeed(&self) {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            let before = self.failures();
            thread::sleep(Duration::from_millis(500));
            if self.failures() == before {
                return;
            }
            assert!(Instant::now() < deadline, "requests still fail");
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn clients(server: &RedisServer) -> usize {
    server.cli(&["CLIENT", "LIST", "TYPE", "normal"]).lines().count() - 1
}

/// Returns how often something happens in two seconds. In turns, with pauses of 100 to 500 ms, that
/// is about ten times, and hardly ever as often as there are threads.
fn in_two_seconds(count: impl Fn() -> usize) -> usize {
    let before = count();
    thread::sleep(Duration::from_secs(2));
    count() - before
}

#[test]
fn g8_a_server_that_is_down_is_dialled_by_one_thread_at_a_time() {
    let server = RedisServer::start();
    let proxy = Proxy::before(server.port());
    let redis = Redis::builder(proxy.url()).build().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(RedisKeyValueStorage::new(redis));
    let readers = Readers::start(&storage);
    readers.until_all_succeed();
    assert_eq!(clients(&server), THREADS);
    proxy.harm(Harm::Refuse);
    let dials = in_two_seconds(|| proxy.accepted());
    assert!((2..THREADS).contains(&dials), "{dials} dials of {THREADS} threads");
    proxy.harm(Harm::None);
    readers.until_all_succeed();
    let began = Instant::now();
    while clients(&server) < THREADS && began.elapsed() < Duration::from_secs(5) {
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(clients(&server), THREADS, "every thread has a connection of its own again");
}

#[test]
fn g16_living_nodes_are_asked_for_the_slots_by_one_thread_at_a_time() {
    let mut cluster = RedisCluster::start();
    for node in &cluster.nodes {
        node.cli(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]);
    }
    let redis = Redis::cluster([cluster.nodes[0].url()]).build().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(RedisKeyValueStorage::new(redis));
    let readers = Readers::start(&storage);
    readers.until_all_succeed();
    cluster.nodes[2].kill();
    let asked = || {
        // Redis 6 counts all parts of a command together.
        let name = if major_version() < 7 { "cmdstat_cluster" } else { "cmdstat_cluster|slots" };
        let stats = cluster.nodes[0].info(name);
        let calls = stats.strip_prefix("calls=").and_then(|rest| rest.split(',').next());
        calls.map_or(0, |calls| calls.parse().expect("a number"))
    };
    let questions = in_two_seconds(asked);
    assert!((1..THREADS).contains(&questions), "{questions} questions of {THREADS} threads");
    drop(readers);
}

#[test]
fn sentinels_are_asked_by_one_thread_at_a_time() {
    let group = RedisSentinel::start();
    let proxy = Proxy::before(group.sentinels[0].port());
    let redis = Redis::sentinel([proxy.url()], RedisSentinel::MASTER).build().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(RedisKeyValueStorage::new(redis));
    let readers = Readers::start(&storage);
    readers.until_all_succeed();
    let asked = || proxy.commands().iter().filter(|name| *name == "SENTINEL").count();
    let questions = in_two_seconds(asked);
    // Two commands each second.
    assert!((2..=8).contains(&questions), "{questions} questions");
    drop(readers);
}

#[test]
fn at_the_limit_threads_share_connections() {
    let server = RedisServer::start();
    let redis = Redis::builder(server.url()).max_connections(3).build().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(RedisKeyValueStorage::new(redis));
    let readers = Readers::start(&storage);
    readers.until_all_succeed();
    assert_eq!(clients(&server), 3);
    let failures = in_two_seconds(|| readers.failures());
    assert_eq!(failures, 0);
}

#[test]
fn threads_that_the_server_has_no_room_for_share_the_connections_of_others() {
    // One more for the client of this test.
    let server = RedisServer::start_with(&["--maxclients", "5"]);
    let redis = Redis::builder(server.url()).build().unwrap();
    let storage: Arc<dyn Storage> = Arc::new(RedisKeyValueStorage::new(redis));
    let readers = Readers::start(&storage);
    readers.until_all_succeed();
    let failures = in_two_seconds(|| readers.failures());
    assert_eq!(failures, 0);
}

/// Takes the only connection that a server allows. The client that has waited for the server may
/// still have it.
fn take_connection(port: u16) -> TcpStream {
    loop {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(b"PING\r\n").unwrap();
        let mut answer = [0];
        if stream.read_exact(&mut answer).is_ok() && answer == *b"+" {
            return stream;
        }
    }
}

#[test]
fn a_server_with_too_many_clients_is_not_called_unreachable() {
    let server = RedisServer::start_with(&["--maxclients", "1"]);
    let taken = take_connection(server.port());
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let storage = RedisKeyValueStorage::new(handle(&server));
    let failure = runtime.block_on(storage.get_session(&id("a"))).unwrap_err();
    let failure = format!("{failure:?}");
    assert!(failure.contains("too many clients"), "{failure}");
    drop(taken);
    let began = Instant::now();
    while runtime.block_on(storage.get_session(&id("a"))).is_err() {
        assert!(began.elapsed() < Duration::from_secs(2));
        runtime.block_on(async { sleep(Duration::from_millis(10)).await });
    }
}
