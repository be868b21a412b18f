//! A pool of threads that read files.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, task::spawn_blocking, time::timeout};

/// The most threads that read at the same time, in case files are slow.
const MAX_READERS: usize = 64;
/// A longer queue per reader adds a reader.
const MAX_QUEUED_PER_READER: usize = 16;
/// A read that takes longer adds a reader: the others may be stuck.
const SLOW: Duration = Duration::from_millis(5);

/// Reads files on a few blocking threads, each of which runs until the queue is empty.
///
/// Most reads take a few microseconds. Waking a thread for each of them, only to let it sleep
/// again, costs several times as much.
#[derive(Default)]
pub(super) struct ReaderPool {
    // A std mutex: never held while a file is read.
    state: Mutex<State>,
}

type Job = Box<dyn FnOnce(&Arc<ReaderPool>) + Send>;

#[derive(Default)]
struct State {
    queue: VecDeque<Job>,
    readers: usize,
}

impl ReaderPool {
    /// Runs `read` on a reader thread, unless the returned future is dropped before it starts.
    ///
    /// A `read` that is about to take long first calls
    /// [`add_reader_for_queue`](Self::add_reader_for_queue).
    pub(super) async fn run<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Arc<Self>) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (sender, mut receiver) = oneshot::channel();
        self.enqueue(Box::new(move |pool| {
            if !sender.is_closed() {
                let _ = sender.send(read(pool));
            }
        }));
        let result = match timeout(SLOW, &mut receiver).await {
            Ok(result) => result,
            Err(_) => {
                self.add_reader_for_queue();
                receiver.await
            }
        };
        result.unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")))
    }

    fn enqueue(self: &Arc<Self>, job: Job) {
        let mut state = self.state();
        state.queue.push_back(job);
        if state.readers == 0 || state.queue.len() > state.readers * MAX_QUEUED_PER_READER {
            self.add_reader(state);
        }
    }

    /// Adds a reader if a read is queued.
    pub(super) fn add_reader_for_queue(self: &Arc<Self>) {
        let state = self.state();
        if !state.queue.is_empty() {
            self.add_reader(state);
        }
    }

    fn add_reader(self: &Arc<Self>, mut state: MutexGuard<'_, State>) {
        if state.readers < MAX_READERS {
            state.readers += 1;
            drop(state);
            let reader = Reader { pool: self.clone(), is_counted: true };
            spawn_blocking(move || reader.run());
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A reader thread. It is counted in [`State::readers`] until it ends, even by a panic.
struct Reader {
    pool: Arc<ReaderPool>,
    is_counted: bool,
}

impl Reader {
    fn run(mut self) {
        while let Some(job) = self.next() {
            job(&self.pool);
        }
    }

    /// Takes the next job. If there is none, uncounts this reader under the same lock, so that the
    /// next job to be enqueued starts another one.
    fn next(&mut self) -> Option<Job> {
        let mut state = self.pool.state();
        let next = state.queue.pop_front();
        if next.is_none() {
            state.readers -= 1;
            self.is_counted = false;
        }
        next
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if self.is_counted {
            self.pool.state().readers -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn few_readers_serve_all_reads_and_leave_none_queued() {
        let pool = Arc::new(ReaderPool::default());
        for round in 0..200 {
            let threads = join_all((0..100).map(|_| pool.run(|_| Ok(thread::current().id()))));
            let mut threads: Vec<_> = threads.await.into_iter().map(Result::unwrap).collect();
            threads.sort_by_key(|thread| format!("{thread:?}"));
            threads.dedup();
            assert!(threads.len() <= MAX_READERS, "round {round}: {}", threads.len());
        }
        assert!(pool.state().queue.is_empty());
    }

    #[tokio::test]
    async fn a_stuck_read_delays_later_reads_only_briefly() {
        let pool = Arc::new(ReaderPool::default());
        let (started, has_started) = oneshot::channel();
        let (release, released) = mpsc::channel::<()>();
        let stuck = pool.run(move |_| {
            started.send(()).expect("the test waits for it");
            Ok(released.recv().is_ok())
        });
        let others = async {
            has_started.await.expect("the stuck read starts");
            for _ in 0..10 {
                pool.run(|_| Ok(())).await.unwrap();
            }
            release.send(()).expect("the stuck read still waits");
        };
        let (stuck, ()) = tokio::join!(stuck, others);
        assert!(stuck.unwrap());
    }

    // The clock is paused during a blocking read, so `SLOW` never adds a reader here.
    #[tokio::test(start_paused = true)]
    async fn a_read_that_announces_it_is_long_delays_no_other() {
        let pool = Arc::new(ReaderPool::default());
        let (release, released) = mpsc::channel::<()>();
        let long = pool.run(move |pool| {
            while pool.state().queue.is_empty() {
                thread::yield_now();
            }
            pool.add_reader_for_queue();
            Ok(released.recv_timeout(Duration::from_secs(10)).is_ok())
        });
        let other = pool.run(move |_| {
            let _ = release.send(());
            Ok(())
        });
        let (long, other) = tokio::join!(long, other);
        assert!(long.unwrap() && other.is_ok());
    }

    #[tokio::test]
    async fn a_panicking_read_fails_and_does_not_use_up_a_reader() {
        let pool = Arc::new(ReaderPool::default());
        for _ in 0..2 * MAX_READERS {
            assert!(pool.run::<()>(|_| panic!("a fault of this test")).await.is_err());
        }
        assert_eq!(pool.run(|_| Ok(1)).await.unwrap(), 1);
    }
}
