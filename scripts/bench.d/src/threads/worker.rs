//! One thread with its runtime.

use std::{
    fs,
    sync::{Barrier, atomic::AtomicBool, atomic::Ordering::Relaxed},
    thread,
    time::Instant,
};

use session_core::{Manager, SessionId};
use tokio::{
    runtime::Builder,
    task::{JoinSet, yield_now},
};

use crate::{Result, Sessions, request};

/// The requests between two turns of the runtime's own work: its connections, its timers. A worker
/// of actix-web takes such turns between the requests of its connections.
const BATCH: usize = 32;
/// The requests that a thread sends at once before requests are counted.
const CONCURRENT: usize = 50;

/// What a thread needs.
pub(crate) struct Worker<'a> {
    pub(crate) manager: Manager,
    /// All threads pass it three times: when the sessions have been started, before the near cache
    /// is filled, and before requests are counted.
    pub(crate) barrier: &'a Barrier,
    pub(crate) stop: &'a AtomicBool,
}

/// What a thread has done while requests were counted.
pub(crate) struct Measured {
    pub(crate) requests: u64,
    /// Those among them that were not answered at once.
    pub(crate) waited: u64,
    pub(crate) cpu_nanos: u64,
    pub(crate) begin: Instant,
    pub(crate) end: Instant,
}

impl Worker<'_> {
    /// Sends requests until it is told to stop.
    pub(crate) fn run(self, sessions: &Sessions) -> Result<Measured> {
        Builder::new_current_thread().enable_all().build()?.block_on(async {
            // A thread that fails goes on to the barriers, so that the others do not wait for ever.
            let ids = self.start_sessions(sessions).await;
            self.barrier.wait();
            self.barrier.wait();
            let warm = match &ids {
                Ok(ids) => self.read_all(ids).await,
                Err(_) => Ok(()),
            };
            self.barrier.wait();
            warm?;
            self.read(&ids?).await
        })
    }

    async fn start_sessions(&self, sessions: &Sessions) -> Result<Vec<SessionId>> {
        let count = match sessions {
            Sessions::Shared(id) => return Ok(vec![id.clone()]),
            Sessions::Own(count) => *count,
        };
        all((0..count).map(|_| request::start_session(self.manager.clone()))).await
    }

    /// Reads every session, so that a near cache has it.
    async fn read_all(&self, ids: &[SessionId]) -> Result {
        let reads = ids.iter().cloned().map(|id| {
            let manager = self.manager.clone();
            async move { request::read(&manager, &id).await }
        });
        all(reads).await.map(drop)
    }

    async fn read(&self, ids: &[SessionId]) -> Result<Measured> {
        let mut ids = ids.iter().cycle();
        let (mut requests, mut waited) = (0, 0);
        let (cpu, begin) = (cpu_nanos()?, Instant::now());
        while !self.stop.load(Relaxed) {
            for id in ids.by_ref().take(BATCH) {
                let request = request::read(&self.manager, id);
                request::noting_waits(request, &mut waited).await?;
                requests += 1;
            }
            yield_now().await;
        }
        let end = Instant::now();
        Ok(Measured { requests, waited, cpu_nanos: cpu_nanos()? - cpu, begin, end })
    }
}

/// Runs requests concurrently, but so few at once that none of them waits for long.
async fn all<T: Send + 'static>(
    requests: impl Iterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Result<Vec<T>> {
    let (mut running, mut answers) = (JoinSet::new(), Vec::new());
    for request in requests {
        if running.len() == CONCURRENT {
            answers.extend(running.join_next().await.transpose()?.transpose()?);
        }
        running.spawn(request);
    }
    for answer in running.join_all().await {
        answers.push(answer?);
    }
    Ok(answers)
}

/// Returns the processor time of this thread so far.
fn cpu_nanos() -> Result<u64> {
    // The kernel adds up the time of a thread when it switches threads.
    thread::yield_now();
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(text.split_ascii_whitespace().next().ok_or("schedstat is empty")?.parse()?)
}
