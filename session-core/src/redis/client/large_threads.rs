//! Threads that read and write large values, so that these do not delay other requests.

use std::{
    future::Future,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
    task::JoinSet,
};

use crate::{Error, Result};

/// The most threads, however many processors there are: each has connections of its own.
const MAX_THREADS: usize = 8;

/// Threads with connections of their own. Each is started when those before it are busy, and ends
/// when the sender that it is started with is dropped.
#[derive(Debug)]
pub(super) struct LargeThreads {
    most: usize,
    // A std mutex, never held across an await. Only work on large values takes it.
    started: Mutex<Started>,
}

#[derive(Debug, Default)]
struct Started {
    threads: Vec<Thread>,
    /// Whether the system has refused one.
    is_refused: bool,
}

#[derive(Clone, Debug)]
struct Thread {
    runtime: Handle,
    /// The number of values that it works on.
    load: Arc<AtomicUsize>,
}

/// One value that a thread works on, until it is dropped.
struct Load(Arc<AtomicUsize>);

impl Default for LargeThreads {
    /// As many threads as half of the processors, so that the rest stay free for small values.
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(1, usize::from);
        Self::new((processors / 2).clamp(1, MAX_THREADS))
    }
}

impl LargeThreads {
    fn new(most: usize) -> Self {
        Self { most, started: Mutex::default() }
    }

    /// Runs `work` on the thread that has the least to do. Dropping the returned future ends the
    /// work.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        owned: impl FnOnce() -> watch::Receiver<()>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let Some(thread) = self.thread(owned) else { return work.await };
        let load = Load::on(&thread);
        // A set of one task, because dropping a set aborts its tasks.
        let mut tasks = JoinSet::new();
        let work = async move {
            let done = work.await;
            drop(load);
            done
        };
        tasks.spawn_on(work, &thread.runtime);
        match tasks.join_next().await {
            Some(Ok(done)) => done,
            _ => Err(Error::storage("redis", "the thread for large sessions has failed")),
        }
    }

    /// Returns the thread with the least to do, which is a new one if all others are busy. `None`
    /// if there is none and the system grants none.
    fn thread(&self, owned: impl FnOnce() -> watch::Receiver<()>) -> Option<Thread> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        let least = started.threads.iter().min_by_key(|thread| thread.load());
        if least.is_none_or(|thread| thread.load() > 0)
            && started.threads.len() < self.most
            && !started.is_refused
        {
            match start(owned()) {
                Ok(runtime) => started.threads.push(Thread { runtime, load: Arc::default() }),
                Err(error) => {
                    log::warn!("no further thread for large sessions, they delay others: {error}");
                    started.is_refused = true;
                }
            }
        }
        started.threads.iter().min_by_key(|thread| thread.load()).cloned()
    }
}

impl Thread {
    fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }
}

impl Load {
    fn on(thread: &Thread) -> Self {
        thread.load.fetch_add(1, Ordering::Relaxed);
        Self(thread.load.clone())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn start(mut owned: watch::Receiver<()>) -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let handle = runtime.handle().clone();
    let until_dropped = async move {
        // Nothing is ever sent: this returns when the sender is dropped.
        let _ = owned.changed().await;
    };
    let thread = thread::Builder::new().name("large sessions".to_owned());
    thread.spawn(move || runtime.block_on(until_dropped))?;
    Ok(handle)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, future::pending, time::Duration};

    use futures_util::future::join_all;
    use tokio::{
        sync::{Barrier, oneshot},
        time::timeout,
    };

    use super::*;

    #[tokio::test]
    async fn work_runs_on_one_other_thread_that_ends_with_its_owner() {
        let (large, owner) = (LargeThreads::new(1), watch::Sender::new(()));
        let name = async || {
            let work = async { Ok(thread::current().name().map(ToOwned::to_owned)) };
            large.run(|| owner.subscribe(), work).await
        };
        assert_eq!(name().await.unwrap().as_deref(), Some("large sessions"));
        assert_eq!(owner.receiver_count(), 1);
        name().await.unwrap();
        assert_eq!(owner.receiver_count(), 1);
        let closed = async { owner.closed().await };
        let waits = large.run(|| unreachable!("there is a thread"), pending::<Result<()>>());
        assert!(timeout(Duration::from_millis(20), waits).await.is_err());
        owner.send_replace(());
        timeout(Duration::from_secs(10), closed).await.expect("the thread ends");
        assert!(name().await.is_err());
    }

    #[tokio::test]
    async fn threads_are_started_while_those_before_are_busy() {
        let (large, owner) = (LargeThreads::new(3), watch::Sender::new(()));
        for [at_once, threads] in [[1, 1], [2, 2], [3, 3], [6, 3], [1, 3]] {
            let all_are_there = Arc::new(Barrier::new(at_once));
            let work = (0..at_once).map(|_| {
                let all_are_there = all_are_there.clone();
                large.run(|| owner.subscribe(), async move {
                    all_are_there.wait().await;
                    Ok(thread::current().id())
                })
            });
            let used = join_all(work).await;
            let used: HashSet<_> = used.into_iter().map(Result::unwrap).collect();
            assert_eq!(used.len(), at_once.min(3));
            assert_eq!(owner.receiver_count(), threads);
            let is_idle = |thread: &Thread| thread.load() == 0;
            assert!(large.started.lock().unwrap().threads.iter().all(is_idle));
        }
    }

    #[tokio::test]
    async fn dropping_the_future_ends_the_work() {
        let (large, owner) = (LargeThreads::new(1), watch::Sender::new(()));
        let (alive, given_up) = oneshot::channel::<()>();
        let work = async move {
            let _alive = alive;
            pending::<Result<()>>().await
        };
        let work = large.run(|| owner.subscribe(), work);
        assert!(timeout(Duration::from_millis(20), work).await.is_err());
        let given_up = timeout(Duration::from_secs(10), given_up).await;
        assert!(given_up.expect("in time").is_err());
    }

    #[tokio::test]
    async fn work_that_panics_fails_and_leaves_no_load() {
        let (large, owner) = (LargeThreads::new(1), watch::Sender::new(()));
        let work = async { panic!("raised by this test") };
        assert!(large.run::<()>(|| owner.subscribe(), work).await.is_err());
        assert!(large.run(|| owner.subscribe(), async { Ok(()) }).await.is_ok());
        assert!(large.started.lock().unwrap().threads.iter().all(|thread| thread.load() == 0));
    }
}
