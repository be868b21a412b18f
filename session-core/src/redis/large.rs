//! Large sessions, and the thread that keeps them out of the way of the others.

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

/// From this many bytes on it takes long enough to receive, check and copy a text to be in the way
/// of others: 10 MB take the thread that does it 15 ms.
const LARGE: usize = 256 * 1024;
/// Of more large texts the oldest are forgotten, and noticed again.
const MOST: usize = 4096;

/// What was lately seen to be large, by name: a session by its id, an item by [`item`].
#[derive(Debug, Default)]
pub(super) struct Large {
    /// Spares nearly everybody the lock.
    any: AtomicBool,
    // A std mutex: a few map operations, never held across an await.
    seen: Mutex<Seen>,
    /// Where they are read and written, once there are any. `None` if the system grants no thread.
    thread: OnceLock<Option<Handle>>,
}

#[derive(Debug, Default)]
struct Seen {
    names: HashSet<Box<str>>,
    by_age: VecDeque<Box<str>>,
}

/// The name of one item of a session. An id has no space in it.
pub(super) fn item(id: &str, key: &str) -> String {
    [id, " ", key].concat()
}

/// Whether this is too much to be handled among other requests.
pub(super) fn is_large(bytes: usize) -> bool {
    bytes >= LARGE
}

impl Large {
    /// Whether anything has been seen that is large.
    pub(super) fn is_any(&self) -> bool {
        self.any.load(Ordering::Relaxed)
    }

    /// Whether this was lately seen to be large.
    pub(super) fn has(&self, name: &str) -> bool {
        self.is_any() && self.seen().names.contains(name)
    }

    /// Takes note of how many bytes were sent or received.
    pub(super) fn note(&self, name: &str, bytes: usize) {
        if !is_large(bytes) {
            return;
        }
        let mut seen = self.seen();
        if seen.names.insert(name.into()) {
            seen.by_age.push_back(name.into());
        }
        if seen.by_age.len() > MOST
            && let Some(oldest) = seen.by_age.pop_front()
        {
            seen.names.remove(&oldest);
        }
        self.any.store(true, Ordering::Relaxed);
    }

    /// Does `work` on the thread for large sessions, where it has connections of its own. It ends
    /// when this future is dropped.
    ///
    /// The thread is there from the first need on until the sender of `owned` is dropped.
    pub(super) async fn apart<T: Send + 'static>(
        &self,
        owned: impl FnOnce() -> watch::Receiver<()>,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        let start = || match start(owned()) {
            Ok(thread) => Some(thread),
            Err(error) => {
                log::warn!("no thread for large sessions, others will wait for them: {error}");
                None
            }
        };
        let Some(thread) = self.thread.get_or_init(start) else { return work.await };
        // A set of one, since what is in a set is aborted with it.
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
        // Nothing is ever sent; this ends with the sender.
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
    fn only_what_is_large_is_noted_and_not_too_much_of_it() {
        let large = Large::default();
        large.note("a", LARGE - 1);
        assert!(!large.has("a"));
        large.note("a", LARGE);
        assert!(large.has("a") && !large.has("b"));
        (0..MOST).for_each(|n| large.note(&n.to_string(), LARGE));
        assert!(!large.has("a"));
        assert_eq!(large.seen().names.len(), MOST);
    }

    #[tokio::test]
    async fn work_is_done_on_one_other_thread_which_ends_with_its_owner() {
        let (large, owner) = (Large::default(), watch::Sender::new(()));
        let name = async || {
            let work = async { Ok(thread::current().name().map(ToOwned::to_owned)) };
            large.apart(|| owner.subscribe(), work).await
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
        let waits = large.apart(|| unreachable!("there is a thread"), work);
        assert!(timeout(Duration::from_millis(20), waits).await.is_err());
        owner.send_replace(());
        timeout(Duration::from_secs(10), closed).await.expect("the thread ends");
        assert!(name().await.is_err());
    }

    #[tokio::test]
    async fn work_that_nobody_waits_for_any_more_is_given_up() {
        let (large, owner) = (Large::default(), watch::Sender::new(()));
        let (alive, given_up) = oneshot::channel::<()>();
        let work = async move {
            let _alive = alive;
            std::future::pending::<()>().await;
            Ok(())
        };
        let work = large.apart(|| owner.subscribe(), work);
        assert!(timeout(Duration::from_millis(20), work).await.is_err());
        let given_up = timeout(Duration::from_secs(10), given_up).await;
        assert!(given_up.expect("in time").is_err());
    }

    #[tokio::test]
    async fn work_that_panics_is_a_failure() {
        let (large, owner) = (Large::default(), watch::Sender::new(()));
        let work = async { panic!("a fault of this test") };
        assert!(large.apart::<()>(|| owner.subscribe(), work).await.is_err());
        assert!(large.apart(|| owner.subscribe(), async { Ok(()) }).await.is_ok());
    }
}
