//! Large values, and the thread that keeps them from delaying other requests.

use std::{
    collections::{HashSet, VecDeque},
    future::Future,
    io,
    sync::{
        Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use tokio::{
    runtime::{Builder, Handle},
    sync::watch,
    task::JoinSet,
};

use crate::{Error, Result};

/// Values of this many bytes take long enough to receive, parse and copy to delay other requests:
/// 10 MB keep a thread busy for 15 ms.
const LARGE: usize = 256 * 1024;
/// Beyond this many names the oldest are forgotten, and noted again when next seen.
const MAX_NAMES: usize = 4096;

/// The values recently seen to be large, by name: a session's id, or [`item_name`] of an item.
#[derive(Debug, Default)]
pub(super) struct LargeValues {
    /// Spares nearly every request the lock.
    any: AtomicBool,
    // A std mutex: a few map operations, never held across an await.
    seen: Mutex<Seen>,
    /// Reads and writes large values; started on first need. `None` if the system grants no thread.
    thread: OnceLock<Option<Handle>>,
}

#[derive(Debug, Default)]
struct Seen {
    names: HashSet<Box<str>>,
    by_age: VecDeque<Box<str>>,
}

/// Returns the name of one item of a session. It is no session's id, since ids contain no space.
pub(super) fn item_name(id: &str, item: &str) -> String {
    [id, " ", item].concat()
}

/// Returns whether a value of this size is large.
pub(crate) fn is_large(bytes: usize) -> bool {
    bytes >= LARGE
}

impl LargeValues {
    /// Returns whether any large value has been seen.
    pub(super) fn has_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Returns whether this value was recently seen to be large.
    pub(super) fn has(&self, name: &str) -> bool {
        self.has_any() && self.seen().names.contains(name)
    }

    /// Notes how many bytes of a value were sent or received.
    pub(super) fn note(&self, name: &str, bytes: usize) {
        if !is_large(bytes) {
            return;
        }
        let mut seen = self.seen();
        if seen.names.insert(name.into()) {
            seen.by_age.push_back(name.into());
        }
        if seen.by_age.len() > MAX_NAMES
            && let Some(oldest) = seen.by_age.pop_front()
        {
            seen.names.remove(&oldest);
        }
        self.any.store(true, Ordering::Relaxed);
    }

    /// Runs `work` on the thread for large values, which has connections of its own. Dropping the
    /// returned future ends the work.
    ///
    /// The thread is started on first need and ends when the sender of `owned` is dropped.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        owned: impl FnOnce() -> watch::Receiver<()>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let start = || match start(owned()) {
            Ok(thread) => Some(thread),
            Err(error) => {
                log::warn!("no thread for large sessions, they will delay others: {error}");
                None
            }
        };
        let Some(thread) = self.thread.get_or_init(start) else { return work.await };
        // A set of one task, because dropping a set aborts its tasks.
        let mut tasks = JoinSet::new();
        tasks.spawn_on(work, thread);
        match tasks.join_next().await {
            Some(Ok(done)) => done,
            _ => Err(Error::storage("redis", "the thread for large sessions has failed")),
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
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
    use std::time::Duration;

    use tokio::{sync::oneshot, time::timeout};

    use super::*;

    #[test]
    fn only_large_values_are_noted_and_the_oldest_are_forgotten() {
        let large = LargeValues::default();
        large.note("a", LARGE - 1);
        assert!(!large.has("a"));
        large.note("a", LARGE);
        assert!(large.has("a") && !large.has("b"));
        (0..MAX_NAMES).for_each(|n| large.note(&n.to_string(), LARGE));
        assert!(!large.has("a"));
        assert_eq!(large.seen().names.len(), MAX_NAMES);
    }

    #[tokio::test]
    async fn work_runs_on_one_other_thread_that_ends_with_its_owner() {
        let (large, owner) = (LargeValues::default(), watch::Sender::new(()));
        let name = async || {
            let work = async { Ok(thread::current().name().map(ToOwned::to_owned)) };
            large.run(|| owner.subscribe(), work).await
        };
        assert_eq!(name().await.unwrap().as_deref(), Some("large sessions"));
        assert_eq!(owner.receiver_count(), 1);
        name().await.unwrap();
        assert_eq!(owner.receiver_count(), 1);
        let closed = async { owner.closed().await };
        let work = async {
            std::future::pending::<()>().await;
            Ok(())
        };
        let waits = large.run(|| unreachable!("there is a thread"), work);
        assert!(timeout(Duration::from_millis(20), waits).await.is_err());
        owner.send_replace(());
        timeout(Duration::from_secs(10), closed).await.expect("the thread ends");
        assert!(name().await.is_err());
    }

    #[tokio::test]
    async fn dropping_the_future_ends_the_work() {
        let (large, owner) = (LargeValues::default(), watch::Sender::new(()));
        let (alive, given_up) = oneshot::channel::<()>();
        let work = async move {
            let _alive = alive;
            std::future::pending::<()>().await;
            Ok(())
        };
        let work = large.run(|| owner.subscribe(), work);
        assert!(timeout(Duration::from_millis(20), work).await.is_err());
        let given_up = timeout(Duration::from_secs(10), given_up).await;
        assert!(given_up.expect("in time").is_err());
    }

    #[tokio::test]
    async fn work_that_panics_fails() {
        let (large, owner) = (LargeValues::default(), watch::Sender::new(()));
        let work = async { panic!("raised by this test") };
        assert!(large.run::<()>(|| owner.subscribe(), work).await.is_err());
        assert!(large.run(|| owner.subscribe(), async { Ok(()) }).await.is_ok());
    }
}
