//! Many sessions whose use the server has not written yet when Redis stops for a while.

use std::{
    env,
    thread::{self, JoinHandle, sleep},
    time::{Duration, Instant, UNIX_EPOCH},
};

use super::{
    assert_no_error,
    clients::{Clients, Outcome, Size},
    is_large, sessions,
};
use crate::{
    demo::{server::Server, store::Store},
    support::redis::RedisServer,
};

/// The writes that may be made twice: one whose answer is late is repeated. At most 64 are in
/// flight when Redis stops, and four probes per second follow.
const REPEATED: usize = 64;
const PROBES_PER_SECOND: usize = 4;
/// The time without a write after which all sessions may be written. Redis does nothing else while
/// that is found out.
const PAUSE: Duration = Duration::from_secs(1);
/// The requests per second after the outage: few, because each of these uses is written as well.
const AFTERWARDS: f64 = 250.0;
/// Longer than the test takes: no session may expire.
const TTL: Duration = Duration::from_secs(1800);

#[test]
fn g16_after_an_outage_each_of_many_sessions_in_redis_strings_is_written_once() {
    run("redis-key-value", &Store::key_value());
}

#[test]
fn g16_after_an_outage_each_of_many_sessions_in_redis_hashes_is_written_once() {
    run("redis-hash-table", &Store::hash_table());
}

fn run(storage: &str, store: &Store) {
    let (size, interval) = match is_large() {
        true => (size(2_000, 100, 100_000), Duration::from_secs(30)),
        false => (size(200, 10, 10_000), Duration::from_secs(6)),
    };
    let outage = outage();
    let setting = |time: Duration| format!("{}s", time.as_secs());
    let server = store.serve(&[
        ("DEMO__SESSION__MAX_AGE", &setting(TTL)),
        ("DEMO__SESSION__TOUCH_INTERVAL", &setting(interval)),
        // So that only the touch queue extends the sessions.
        ("DEMO__SESSION__COOKIE__MAX_AGE", "session"),
        ("RUST_LOG", "info"),
    ]);
    let redis = store.redis();
    let runtime = actix_rt::Runtime::new().expect("a runtime");
    let clients = runtime.block_on(Clients::connect(server.port(), size)).expect("it listens");
    let (clients, started) = runtime.block_on(clients.use_once());
    assert_no_error(&started);
    let first_use = UNIX_EPOCH.elapsed().expect("a clock");
    let (clients, used) = runtime.block_on(clients.use_once());
    assert_no_error(&used);

    let before = server.resident_bytes();
    assert_eq!(redis.cli(&["CONFIG", "RESETSTAT"]), "OK");
    redis.pause();
    let memory = PeakMemory::watch(&server, outage);
    let (clients, meanwhile) = runtime.block_on(clients.read_sessions(outage, size.rate));
    assert_no_error(&meanwhile);
    let peak = memory.finish();
    redis.resume();
    let back = Instant::now();
    let after = thread::scope(|scope| {
        let written = scope.spawn(|| wait_until_written(redis, first_use, back + 2 * interval));
        let (_, read) = runtime.block_on(clients.read_sessions(Duration::from_secs(2), AFTERWARDS));
        (read, written.join().expect("all sessions are written"))
    });
    let (read, (all_written, writes)) = after;
    assert_no_error(&read);
    assert_eq!(sessions(store, size), size.sessions, "none is lost");
    let repeated = REPEATED + PROBES_PER_SECOND * outage.as_secs() as usize;
    // A use after the outage is written as well, an interval after the write before.
    let later_uses = read.requests - read.unavailable;
    assert!(writes <= size.sessions + repeated + later_uses, "{writes} writes");
    let lines = ["cannot be written: ", "are written again"]
        .map(|end| server.log().matches(&format!("times to live of sessions {end}")).count());
    // A slow machine may have written most sessions before the outage.
    assert!(lines == [1, 1] || lines == [0, 0] && !is_large(), "{}", server.log());
    report(storage, size, outage, &[meanwhile, read], writes, all_written - back, [before, peak]);
}

fn size(connections: usize, at_once: usize, sessions: usize) -> Size {
    // Requests must not keep the processors from what is measured.
    Size { connections, at_once, rate: 20_000.0, sessions, length: Duration::ZERO }
}

/// How long Redis is stopped: `OUTAGE_SECONDS`, or a minute under a large load, or 5 s.
fn outage() -> Duration {
    let named = env::var("OUTAGE_SECONDS").ok().map(|text| text.parse().expect("seconds"));
    Duration::from_secs(named.unwrap_or(if is_large() { 60 } else { 5 }))
}

/// Waits until the store knows of the last use of all sessions before the outage. Returns when, and
/// how many times to live were written until then.
fn wait_until_written(
    redis: &RedisServer,
    first_use: Duration,
    deadline: Instant,
) -> (Instant, usize) {
    // Redis counts whole milliseconds.
    let expiry = first_use + TTL - Duration::from_millis(1);
    let (mut writes, mut last_write) = (0, Instant::now());
    loop {
        let now = Instant::now();
        let count = scripts_run(redis);
        if count > writes {
            (writes, last_write) = (count, now);
        } else if last_write.elapsed() > PAUSE && earliest_expiry(redis) >= expiry {
            return (last_write, writes);
        }
        assert!(now < deadline, "some sessions are not written, after {writes} writes");
        sleep(Duration::from_millis(100));
    }
}

/// Counts the writes of times to live since the last `CONFIG RESETSTAT`: nothing else here runs a
/// script.
fn scripts_run(redis: &RedisServer) -> usize {
    let calls = |command: &str| {
        let field = redis.info(&format!("cmdstat_{command}"));
        let calls = field.strip_prefix("calls=").and_then(|rest| rest.split(',').next());
        calls.map_or(0, |calls| calls.parse().expect("a number"))
    };
    calls("evalsha") + calls("eval")
}

/// Returns when the first session expires, since the Unix epoch.
fn earliest_expiry(redis: &RedisServer) -> Duration {
    let script = "local earliest = 1e18
for _, key in ipairs(redis.call('KEYS', '*')) do
  earliest = math.min(earliest, redis.call('PEXPIRETIME', key))
end
return earliest";
    let earliest = redis.cli(&["EVAL_RO", script, "0"]).parse().expect("milliseconds");
    Duration::from_millis(earliest)
}

/// Watches how much memory a server takes.
struct PeakMemory(JoinHandle<usize>);

impl PeakMemory {
    fn watch(server: &Server, length: Duration) -> Self {
        let resident_bytes = server.resident_memory();
        let end = Instant::now() + length;
        Self(thread::spawn(move || {
            let mut peak = 0;
            while Instant::now() < end {
                peak = resident_bytes().max(peak);
                sleep(Duration::from_millis(50));
            }
            peak
        }))
    }

    fn finish(self) -> usize {
        self.0.join().expect("the server runs")
    }
}

/// Prints a row of the table in `docs/RELIABILITY.md`.
fn report(
    storage: &str,
    size: Size,
    outage: Duration,
    [meanwhile, read]: &[Outcome; 2],
    writes: usize,
    until_written: Duration,
    [before, peak]: [usize; 2],
) {
    println!(
        "| {storage} | {} | {} s | {writes} | {:.1} s | {} | {} ms | {} ms | {} MiB | {} MiB |",
        size.sessions,
        outage.as_secs(),
        until_written.as_secs_f64(),
        meanwhile.requests,
        meanwhile.longest.as_millis(),
        read.longest.as_millis(),
        before >> 20,
        peak >> 20,
    );
    println!(
        "{storage}: {} of the requests meanwhile answered 503, and {} of {} in the two seconds \
         after",
        meanwhile.unavailable, read.unavailable, read.requests,
    );
}
