//! Reads of sessions in many threads, without a server:
//! `threads STORAGE REDIS_URL THREADS shared|SESSIONS`.
//!
//! Every thread runs a runtime of its own, as the workers of actix-web do, and reads one item per
//! request: of one session that all share, or of sessions of its own, one after the other. Prints
//! the number of requests, the nanoseconds that they took, the processor time of the threads in
//! nanoseconds, and how many requests had to wait for the store.

mod request;
mod worker;

use std::{
    error::Error,
    sync::{Barrier, atomic::AtomicBool, atomic::Ordering::Relaxed},
    thread,
    time::Duration,
};

use session_core::{Manager, MemoryStorage, Redis, RedisKeyValueStorage, SessionId};
use tokio::runtime::Builder;
use worker::{Measured, Worker};

type Result<T = (), E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

/// How long requests are counted. A near cache serves what it has read for one second, and to read
/// the sessions of all threads takes a part of it.
const WINDOW: Duration = Duration::from_millis(300);
/// Longer than a near cache serves what it has read. So all is read again right before the window.
const PAUSE: Duration = Duration::from_millis(1100);
/// No time to live is written meanwhile: the writes depend on when a session was used before.
const TOUCH_INTERVAL: Duration = Duration::from_secs(3600);
const NEAR_CACHE: usize = 64 << 20;

/// The sessions that a thread reads.
#[derive(Clone)]
enum Sessions {
    /// One, the same in all threads.
    Shared(SessionId),
    /// This many, which no other thread reads.
    Own(usize),
}

fn main() -> Result {
    let [storage, redis, threads, sessions] =
        <[String; 4]>::try_from(std::env::args().skip(1).collect::<Vec<_>>())
            .map_err(|_| "usage: threads STORAGE REDIS_URL THREADS shared|SESSIONS")?;
    let threads = threads.parse()?;
    // Runs the background tasks of the manager, while the threads read.
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    let manager = runtime.block_on(async { manager(&storage, &redis) })?;
    let sessions = match sessions.as_str() {
        "shared" => Sessions::Shared(runtime.block_on(request::start_session(manager.clone()))?),
        count => Sessions::Own(count.parse()?),
    };
    let measured = measure(&manager, threads, &sessions)?;
    let sum = |read: fn(&Measured) -> u64| measured.iter().map(read).sum::<u64>();
    let begin = measured.iter().map(|thread| thread.begin).min().ok_or("there are no threads")?;
    let end = measured.iter().map(|thread| thread.end).max().ok_or("there are no threads")?;
    let (requests, waited) = (sum(|thread| thread.requests), sum(|thread| thread.waited));
    let cpu = sum(|thread| thread.cpu_nanos);
    println!("RESULT {requests} {} {cpu} {waited}", (end - begin).as_nanos());
    Ok(())
}

fn manager(storage: &str, redis: &str) -> Result<Manager> {
    let builder = match storage {
        "memory" => Manager::builder(MemoryStorage::new()),
        "key-value-near-cache" => {
            let redis = Redis::builder(redis).prefix("threads:").near_cache(NEAR_CACHE);
            Manager::builder(RedisKeyValueStorage::new(redis.build()?))
        }
        name => return Err(format!("no storage is named {name}").into()),
    };
    Ok(builder.touch_interval(TOUCH_INTERVAL).build()?)
}

/// Lets all threads send requests at the same time.
fn measure(manager: &Manager, threads: usize, sessions: &Sessions) -> Result<Vec<Measured>> {
    let (barrier, stop) = (Barrier::new(threads + 1), AtomicBool::new(false));
    thread::scope(|scope| {
        let start = |_| {
            let worker = Worker { manager: manager.for_worker(), barrier: &barrier, stop: &stop };
            scope.spawn(move || worker.run(sessions))
        };
        let handles: Vec<_> = (0..threads).map(start).collect();
        barrier.wait();
        thread::sleep(PAUSE);
        barrier.wait();
        barrier.wait();
        thread::sleep(WINDOW);
        stop.store(true, Relaxed);
        let join = |handle: thread::ScopedJoinHandle<'_, _>| handle.join().expect("no panic");
        handles.into_iter().map(join).collect()
    })
}
