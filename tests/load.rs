//! Many connections and very many sessions, all of which are gone in the end.
//!
//! A small form for every day; `scripts/load` runs the large one, 2,000 connections and 100,000
//! sessions for a minute on each storage.

#[path = "support/demo.rs"]
mod demo;
mod support;

#[path = "load/connection.rs"]
mod connection;
#[path = "load/crowd.rs"]
mod crowd;
#[path = "load/probe.rs"]
mod probe;

use std::{
    env, fs,
    os::unix::fs::MetadataExt as _,
    thread::sleep,
    time::{Duration, Instant},
};

use crowd::{Crowd, Outcome, Size};
use demo::{server::Server, store::Store};
use probe::{Latency, Probe};

/// Of the server, before it has any session.
const ROOM: usize = 64 << 20;
/// For what one session of a hundred bytes may take anywhere.
const ROOM_OF_A_SESSION: usize = 8 << 10;

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

fn run(what: &str, store: &Store) {
    let seconds = Duration::from_secs;
    let is_file = matches!(store, Store::File(_));
    // A disk that others use as well does not keep up with more.
    let pace = if is_file { 3_000.0 } else { 1_000_000.0 };
    // Sessions are used in turn, and must not expire before it is their turn again.
    let (size, ttl) = match is_large() {
        true => (
            Size { connections: 2_000, at_once: 100, pace, sessions: 100_000, length: seconds(60) },
            if is_file { seconds(120) } else { seconds(30) },
        ),
        false => (
            Size { connections: 200, at_once: 10, pace, sessions: 2_000, length: seconds(2) },
            seconds(8),
        ),
    };
    let max_age = format!("{}s", ttl.as_secs());
    let server = store.serve(&[
        ("DEMO__SESSION__MAX_AGE", &max_age),
        ("RUST_LOG", "warn,demo_server=info,session_actix=debug"),
    ]);
    let runtime = actix_rt::Runtime::new().expect("a runtime");
    let crowd = runtime.block_on(Crowd::connect(server.port(), size)).expect("it listens");
    let empty = [server.resident(), stored(store)];

    let (crowd, begun) = runtime.block_on(crowd.begin());
    no_error(&begun);
    let (crowd, used) = runtime.block_on(crowd.go_on(size.length));
    no_error(&used);
    let full = [server.resident(), stored(store)];
    assert_eq!(sessions(store, size), size.sessions);
    assert!(full[0] < ROOM + size.sessions * ROOM_OF_A_SESSION, "{} bytes resident", full[0]);
    assert!(full[1] < ROOM + size.sessions * ROOM_OF_A_SESSION, "{} bytes stored", full[1]);
    drop(crowd);

    let probe = Probe::start(server.port());
    sleep(Duration::from_millis(500));
    let calm = Instant::now();
    let (first, last) = used.last_uses.expect("there are sessions");
    sleep((first + ttl).saturating_duration_since(Instant::now()));
    let expiring = Instant::now();
    // A sweep begins every time to live, every minute at the latest. In memory nobody sees it but
    // by the room there is again.
    let over = last + ttl + ttl.min(seconds(60)) + seconds(1);
    let is_over = || match store {
        Store::Memory => Instant::now() > over,
        // To count files takes the processor and the directory, which are being watched.
        Store::File(_) => Instant::now() > over && sessions(store, size) <= 1,
        _ => sessions(store, size) <= 1,
    };
    while !is_over() {
        assert!(Instant::now() < over + seconds(20), "{} sessions left", sessions(store, size));
        sleep(Duration::from_millis(500));
    }
    let gone = Instant::now();
    let beats = probe.finish();
    let (calm, sweeping) =
        (Latency::between(&beats, calm, expiring), Latency::between(&beats, expiring, gone));
    let again = again(store, &server, size, &runtime);
    tell(what, size, &begun, &used, [empty, full], again, &[calm, sweeping]);
    assert!(!server.log().contains("panicked"), "{}", server.log());
}

/// Where nobody can look, as many sessions once more take no more room.
fn again(store: &Store, server: &Server, size: Size, runtime: &actix_rt::Runtime) -> Option<usize> {
    if !matches!(store, Store::Memory) {
        return None;
    }
    let before = server.resident();
    let crowd = runtime.block_on(Crowd::connect(server.port(), size)).expect("it listens");
    let (_crowd, begun) = runtime.block_on(crowd.begin());
    no_error(&begun);
    let after = server.resident();
    let room = size.sessions * ROOM_OF_A_SESSION / 16;
    assert!(after < before + ROOM / 8 + room, "{before} bytes resident, then {after}");
    Some(after)
}

fn no_error(outcome: &Outcome) {
    if let [first, .., last] = &outcome.errors[..] {
        panic!("{} errors: {first} … {last}", outcome.errors.len());
    }
    assert_eq!(outcome.errors, [""; 0]);
}

/// How many sessions are stored, as far as anybody can look.
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

/// The bytes that the store itself takes: on the disk, or of Redis' memory.
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

/// Prints a row of the table in `docs/RELIABILITY.md`, and what stands beside it.
fn tell(
    what: &str,
    size: Size,
    begun: &Outcome,
    used: &Outcome,
    [empty, full]: [[usize; 2]; 2],
    again: Option<usize>,
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
        "| {what} | {:.0} | {} | {} | {} | {} | {} |",
        rate(used),
        begun.requests + used.requests,
        each(0),
        if full[1] > 0 { each(1).to_string() } else { "-".to_owned() },
        cells[0],
        cells[1],
    );
    println!(
        "{what}: {} connections ({} reopened), {} sessions begun at {:.0} a second; resident {} MiB, {} MiB with \
         them, then {} MiB with as many new ones; {} and {} probes; load average {}",
        size.connections,
        used.reopened,
        size.sessions,
        rate(begun),
        empty[0] >> 20,
        full[0] >> 20,
        again.map_or("-".to_owned(), |bytes| (bytes >> 20).to_string()),
        latencies[0].requests,
        latencies[1].requests,
        fs::read_to_string("/proc/loadavg").unwrap_or_default().trim(),
    );
}
