//! Who reads files: few threads, each of which goes on as long as there is something to read.

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::oneshot, task::spawn_blocking, time::timeout};

/// At most so many, should files be slow.
const MOST: usize = 64;
/// So many may wait for each of them before another one is called,
const WAITING: usize = 16;
/// and for so long: the others may be stuck.
const SLOW: Duration = Duration::from_millis(5);

/// A read is mostly done in a few microseconds. To wake a thread for each of them, which then goes
/// back to sleep, costs several times as much.
#[derive(Default)]
pub(super) struct Readers {
    // A std mutex: never held while a file is read.
    work: Mutex<Work>,
}

type Read = Box<dyn FnOnce(&Arc<Readers>) + Send>;

#[derive(Default)]
struct Work {
    waiting: VecDeque<Read>,
    readers: usize,
}

impl Readers {
    /// Runs `read` off the async threads, unless the caller has given up by then. It calls for
    /// [`help`](Self::help) before it does what takes long.
    pub(super) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Arc<Self>) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let (answer, mut found) = oneshot::channel();
        self.leave(Box::new(move |readers| {
            if !answer.is_closed() {
                let _ = answer.send(read(readers));
            }
        }));
        let found = match timeout(SLOW, &mut found).await {
            Ok(found) => found,
            Err(_) => {
                self.help();
                found.await
            }
        };
        found.unwrap_or_else(|_| Err(io::Error::other("the runtime is shutting down")))
    }

    fn leave(self: &Arc<Self>, read: Read) {
        let mut work = self.work();
        work.waiting.push_back(read);
        if work.readers == 0 || work.waiting.len() > work.readers * WAITING {
            self.call_reader(work);
        }
    }

    /// Calls another reader if there is something to read.
    pub(super) fn help(self: &Arc<Self>) {
        let work = self.work();
        if !work.waiting.is_empty() {
            self.call_reader(work);
        }
    }

    fn call_reader(self: &Arc<Self>, mut work: MutexGuard<'_, Work>) {
        if work.readers < MOST {
            work.readers += 1;
            drop(work);
            let reader = Reader { readers: self.clone(), has_ended: false };
            spawn_blocking(move || reader.run());
        }
    }

    fn work(&self) -> MutexGuard<'_, Work> {
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One that has been counted, and is no longer when it ends, however it does.
struct Reader {
    readers: Arc<Readers>,
    has_ended: bool,
}

impl Reader {
    fn run(mut self) {
        while let Some(read) = self.next() {
            read(&self.readers);
        }
    }

    /// What to read next. Where nothing waits, the next to come has to find no reader counted.
    fn next(&mut self) -> Option<Read> {
        let mut work = self.readers.work();
        let next = work.waiting.pop_front();
        if next.is_none() {
            work.readers -= 1;
            self.has_ended = true;
        }
        next
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if !self.has_ended {
            self.readers.work().readers -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test]
    async fn every_read_is_made_by_few_readers_and_none_is_left_behind() {
        let readers = Arc::new(Readers::default());
        for round in 0..200 {
            let threads = join_all((0..100).map(|_| readers.read(|_| Ok(thread::current().id()))));
            let mut threads: Vec<_> = threads.await.into_iter().map(Result::unwrap).collect();
            threads.sort_by_key(|thread| format!("{thread:?}"));
            threads.dedup();
            assert!(threads.len() <= MOST, "round {round}: {}", threads.len());
        }
        assert!(readers.work().waiting.is_empty());
    }

    #[tokio::test]
    async fn a_read_that_hangs_holds_up_those_after_it_for_a_moment_only() {
        let readers = Arc::new(Readers::default());
        let (begun, has_begun) = oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let hangs = readers.read(move |_| {
            begun.send(()).expect("somebody waits for it");
            Ok(may_go_on.recv().is_ok())
        });
        let others = async {
            has_begun.await.expect("it begins");
            for _ in 0..10 {
                readers.read(|_| Ok(())).await.unwrap();
            }
            go_on.send(()).expect("it still hangs");
        };
        let (hung, ()) = tokio::join!(hangs, others);
        assert!(hung.unwrap());
    }

    // The clock stands still while somebody reads, so nobody comes to help unasked.
    #[tokio::test(start_paused = true)]
    async fn a_read_that_knows_it_takes_long_holds_nobody_up() {
        let readers = Arc::new(Readers::default());
        let (go_on, may_go_on) = mpsc::channel::<()>();
        let long = readers.read(move |readers| {
            while readers.work().waiting.is_empty() {
                thread::yield_now();
            }
            readers.help();
            Ok(may_go_on.recv_timeout(Duration::from_secs(10)).is_ok())
        });
        let other = readers.read(move |_| {
            let _ = go_on.send(());
            Ok(())
        });
        let (long, other) = tokio::join!(long, other);
        assert!(long.unwrap() && other.is_ok());
    }

    #[tokio::test]
    async fn a_read_that_panics_is_a_failure_and_costs_no_reader() {
        let readers = Arc::new(Readers::default());
        for _ in 0..2 * MOST {
            assert!(readers.read::<()>(|_| panic!("a fault of this test")).await.is_err());
        }
        assert_eq!(readers.read(|_| Ok(1)).await.unwrap(), 1);
    }
}
