//! The turns that strands take: who runs, and who waits where.

use std::{
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Poll, Wake, Waker},
};

use crate::request::Op;

/// The moment of a storage call at which its caller is suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Moment {
    Before,
    /// The call has taken effect, and its answer is under way.
    After,
}

/// Where a strand is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Not at the store: not begun, ended, or waiting for another strand of its request.
    Away,
    /// Suspended at a call of the storage.
    At(&'static str, Moment),
    /// Allowed to go on.
    Granted,
    /// Inside a call of the real storage.
    Inside,
    /// The operation is to be given up.
    GivenUp,
}

/// What a strand is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Doing {
    pub(crate) request: usize,
    pub(crate) op: Op,
}

#[derive(Debug, Default)]
pub(crate) struct Turns(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    running: Option<usize>,
    strands: Vec<(Place, Doing)>,
}

impl Turns {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap()
    }

    /// Adds a strand and returns its number.
    pub(crate) fn add(&self, request: usize) -> usize {
        let strands = &mut self.table().strands;
        strands.push((Place::Away, Doing { request, op: Op::Close }));
        strands.len() - 1
    }

    pub(crate) fn place(&self, strand: usize) -> Place {
        self.table().strands[strand].0
    }

    pub(crate) fn put(&self, strand: usize, place: Place) {
        self.table().strands[strand].0 = place;
    }

    pub(crate) fn set_running(&self, strand: Option<usize>) {
        self.table().running = strand;
    }

    /// Returns the strand that runs, or `None` in a background task.
    pub(crate) fn running(&self) -> Option<usize> {
        self.table().running
    }

    pub(crate) fn begin(&self, op: Op) {
        let mut table = self.table();
        let running = table.running.expect("only a strand performs operations");
        table.strands[running].1.op = op;
    }

    /// Returns the requests that have begun.
    pub(crate) fn requests(&self) -> Vec<usize> {
        self.table().strands.iter().map(|(_, doing)| doing.request).collect()
    }

    pub(crate) fn doing(&self, strand: usize) -> Doing {
        self.table().strands[strand].1
    }

    /// Suspends a strand until it is allowed to go on.
    pub(crate) async fn pass(&self, strand: usize, call: &'static str, moment: Moment) {
        self.put(strand, Place::At(call, moment));
        poll_fn(|_| {
            if self.place(strand) != Place::Granted {
                return Poll::Pending;
            }
            self.put(strand, Place::Away);
            Poll::Ready(())
        })
        .await;
    }

    /// Runs an operation, again from its beginning if it is given up.
    pub(crate) async fn repeat<T, F: Future<Output = T>>(
        &self,
        mut operation: impl FnMut() -> F,
    ) -> T {
        let strand = self.running().expect("only a strand performs operations");
        loop {
            let mut attempt = Box::pin(operation());
            let answer = poll_fn(|context| {
                if self.place(strand) == Place::GivenUp {
                    return Poll::Ready(None);
                }
                attempt.as_mut().poll(context).map(Some)
            })
            .await;
            match answer {
                Some(answer) => return answer,
                None => self.put(strand, Place::Away),
            }
        }
    }
}

/// The waker of one strand. Also wakes the task that polls it.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    rung: AtomicBool,
    task: Mutex<Option<Waker>>,
}

impl Alarm {
    /// Returns whether the strand was woken since this was last called.
    pub(crate) fn take(&self) -> bool {
        self.rung.swap(false, SeqCst)
    }

    pub(crate) fn is_rung(&self) -> bool {
        self.rung.load(SeqCst)
    }

    pub(crate) fn set_task(&self, task: &Waker) {
        *self.task.lock().unwrap() = Some(task.clone());
    }
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.rung.store(true, SeqCst);
        if let Some(task) = self.task.lock().unwrap().take() {
            task.wake();
        }
    }
}
