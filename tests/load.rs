//! Many connections and sessions, all of which expire in the end.
//!
//! `cargo test` runs a small load; `scripts/load` runs a large one, 2,000 connections and 100,000
//! sessions for a minute on each storage.

#[path = "support/demo.rs"]
mod demo;
mod support;

#[path = "load/clients.rs"]
mod clients;
#[path = "load/connection.rs"]
mod connection;
#[path = "load/latency_probe.rs"]
mod latency_probe;
#[path = "load/outage.rs"]
mod outage;

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    thread::sleep,
    time::{Duration, Instant},
};

use clients::{Clients, Outcome, Size};
use demo::{server::Server, store::Store};
use latency_probe::{Latency, LatencyProbe};

/// The memory of a server without sessions, in bytes.
const BASE_MEMORY: usize = 64 << 20;
/// The limit for a session of a hundred bytes, in memory or in the store.
const MEMORY_PER_SESSION: usize = 8 << 10;

#[test]
fn many_sessions_in_memory_come_and_go() {
    run("memory", &Store::Memory);
}

#[test]
fn many_sessions_in_files_come_and_go() {
    run("file", &Store::file());
}

#[test]
fn many_sessions_in_redis_strings_come_and_go() {
    run("redis-key-value", &Store::key_value());
}

#[test]
fn many_sessions_in_redis_hashes_come_and_go() {
    run("redis-hash-table", &Store::hash_table());
}

fn is_large() -> bool {
    env::var_os("LOAD").is_some()
}

fn run(storage: &str, store: &Store) {
    let seconds = Duration::from_secs;
    let is_file = matches!(store, Store::File(_));
    // A disk that other processes use as well cannot sustain more.
    let rate = if is_file { 3_000.0 } else { 1_000_000.0 };
    // Sessions are used in turn and must not expire before their next turn.
    let (size, ttl) = match is_large() {
        true => (
            Size { connections: 2_000, at_once: 100, rate, sessions: 100_000, length: seconds(60) },
            if is_file { seconds(120) } else { seconds(30) },
        ),
        false => {
            let sessions = if is_file { 1_000 } else { 2_000 };
            (Size { connections: 200, at_once: 10, rate, sessions, length: seconds(2) }, seconds(8))
        }
    };
    let max_age = format!("{}s", ttl.as_secs());
    let server = store.serve(&[
        ("DEMO__SESSION__MAX_AGE", &max_age),
        ("RUST_LOG", "warn,demo_server=info,session_actix=debug"),
    ]);
    let runtime = actix_rt::Runtime::new().expect("a runtime");
    let clients =
        runtime.block_on(Clients::connect(server.port(), size)).expect("the server listens");
    let empty = [server.resident_bytes(), stored(store)];

    let (clients, started) = runtime.block_on(clients.use_once());
    assert_no_error(&started);
    let (clients, used) = runtime.block_on(clients.use_sessions(size.length));
    assert_no_error(&used);
    let full = [server.resident_bytes(), stored(store)];
    assert_eq!(sessions(store, size), size.sessions);
    assert!(
        full[0] < BASE_MEMORY + size.sessions * MEMORY_PER_SESSION,
        "{} bytes resident",
        full[0]
    );
    assert!(full[1] < BASE_MEMORY + size.sessions * MEMORY_PER_SESSION, "{} bytes stored", full[1]);
    drop(clients);

    let probe = LatencyProbe::start(server.port());
    sleep(Duration::from_millis(500));
    let quiet = Instant::now();
    let (first, last) = used.last_uses.expect("there are sessions");
    sleep((first + ttl).saturating_duration_since(Instant::now()));
    let expiring = Instant::now();
    // Sweeps are a time to live apart, at most a minute. In memory a sweep only shows by the memory
    // that it frees.
    let over = last + ttl + ttl.min(seconds(60)) + seconds(1);
    let is_over = || match store {
        Store::Memory => Instant::now() > over,
        // Counting files would disturb the measurement.
        Store::File(_) => Instant::now() > over && sessions(store, size) <= 1,
        _ => sessions(store, size) <= 1,
    };
    while !is_over() {
        assert!(Instant::now() < over + seconds(20), "{} sessions left", sessions(store, size));
        sleep(Duration::from_millis(500));
    }
    let gone = Instant::now();
    let samples = probe.finish();
    let (quiet, sweeping) =
        (Latency::between(&samples, quiet, expiring), Latency::between(&samples, expiring, gone));
    let second = memory_of_second_load(store, &server, size, &runtime);
    report(storage, size, &started, &used, [empty, full], second, &[quiet, sweeping]);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Checks for sessions in memory that as many new ones take no more memory. Returns that memory.
fn memory_of_second_load(
    store: &Store,
    server: &Server,
    size: Size,
    runtime: &actix_rt::Runtime,
) -> Option<usize> {
    if !matches!(store, Store::Memory) {
        return None;
    }
    let before = server.resident_bytes();
    let clients =
        runtime.block_on(Clients::connect(server.port(), size)).expect("the server listens");
    let (_clients, started) = runtime.block_on(clients.use_once());
    assert_no_error(&started);
    let after = server.resident_bytes();
    let room = size.sessions * MEMORY_PER_SESSION / 16;
    assert!(after < before + BASE_MEMORY / 8 + room, "{before} bytes resident, then {after}");
    Some(after)
}

fn assert_no_error(outcome: &Outcome) {
    if let [first, .., last] = &outcome.errors[..] {
        panic!("{} errors: {first} … {last}", outcome.errors.len());
    }
    assert_eq!(outcome.errors, [""; 0]);
}

/// Counts the stored sessions. Those in memory cannot be counted.
fn sessions(store: &Store, size: Size) -> usize {
    match store {
        Store::Memory => size.sessions,
        Store::File(directory) => {
            let files = fs::read_dir(directory.path()).expect("the directory");
            let names = files.map(|file| file.expect("a file").file_name());
            names
                .filter(|name| name.to_str().is_some_and(|name| name.ends_with(".session")))
                .count()
        }
        Store::KeyValue(redis) | Store::HashTable(redis) => {
            redis.cli(&["DBSIZE"]).parse().expect("a number")
        }
    }
}

/// Returns the bytes that the store uses on disk or in Redis.
fn stored(store: &Store) -> usize {
    match store {
        Store::Memory => 0,
        Store::File(directory) => {
            let files = fs::read_dir(directory.path()).expect("the directory");
            let sizes = files.filter_map(|file| file.expect("a file").metadata().ok());
            sizes.map(|file| file.blocks() as usize * 512).sum()
        }
        Store::KeyValue(redis) | Store::HashTable(redis) => {
            redis.info("used_memory").parse().expect("a number")
        }
    }
}

/// Prints a row of the table in `docs/RELIABILITY.md`, and more figures.
fn report(
    storage: &str,
    size: Size,
    started: &Outcome,
    used: &Outcome,
    [empty, full]: [[usize; 2]; 2],
    second: Option<usize>,
    latencies: &[Latency; 2],
) {
    let rate = |outcome: &Outcome| outcome.requests as f64 / outcome.took.as_secs_f64();
    let each = |which: usize| full[which].saturating_sub(empty[which]) / size.sessions;
    let milliseconds = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1000.0);
    let cells = latencies.each_ref().map(|latency| {
        let times = [latency.median, latency.p99_9, latency.worst].map(milliseconds);
        times.join(" / ")
    });
    println!(
        "| {storage} | {:.0} | {} | {} | {} | {} | {} |",
        rate(used),
        started.requests + used.requests,
        each(0),
        if full[1] > 0 { each(1).to_string() } else { "-".to_owned() },
        cells[0],
        cells[1],
    );
    println!(
        "{storage}: {} connections ({} reopened), {} sessions started at {:.0} per second; resident \
         {} MiB, {} MiB with them, then {} MiB with as many new ones; {} and {} probes; load \
         average {}",
        size.connections,
        used.reopened,
        size.sessions,
        rate(started),
        empty[0] >> 20,
        full[0] >> 20,
        second.map_or("-".to_owned(), |bytes| (bytes >> 20).to_string()),
        latencies[0].requests,
        latencies[1].requests,
        fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    );
}
