//! The background tasks of a manager.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::{runtime::Handle, select, sync::watch};

use super::{
    sweep::{self, sweep},
    touch_writer::TouchWriter,
};
use crate::{Storage, events::Events};

/// The tasks that write times to live and sweep expired sessions.
///
/// They end when it is dropped. If their runtime ends before, or one of them panics, the next use
/// of a session starts them again.
pub(super) struct Background {
    pub(super) writer: TouchWriter,
    storage: Arc<dyn Storage>,
    ttl: Duration,
    events: Events,
    writing: Arc<AtomicBool>,
    sweeping: Arc<AtomicBool>,
    is_reported: AtomicBool,
    /// Ends the tasks when it is dropped.
    alive: watch::Sender<()>,
}

/// Keeps the flag of a task set until it is dropped with the task.
struct Running(Arc<AtomicBool>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Background {
    /// Starts the tasks.
    pub(super) fn start(
        runtime: &Handle,
        writer: TouchWriter,
        storage: Arc<dyn Storage>,
        ttl: Duration,
        events: Events,
    ) -> Self {
        let background = Self {
            writer,
            storage,
            ttl,
            events,
            writing: Arc::default(),
            sweeping: Arc::default(),
            is_reported: AtomicBool::new(false),
            alive: watch::channel(()).0,
        };
        background.start_missing(runtime, Duration::ZERO);
        background
    }

    /// Starts the tasks again if they have ended. Costs two loads otherwise.
    pub(super) fn ensure_running(&self) {
        let runs = |task: &AtomicBool| task.load(Ordering::Relaxed);
        if !runs(&self.writing) || !runs(&self.sweeping) {
            self.restart();
        }
    }

    #[cold]
    fn restart(&self) {
        if let Ok(runtime) = Handle::try_current() {
            // Not at once: a storage whose sweep panics would be swept with each use.
            self.start_missing(&runtime, sweep::interval(self.ttl));
        } else if !self.is_reported.swap(true, Ordering::Relaxed) {
            log::error!(
                "times to live of sessions are not written: the runtime of the manager has ended, \
                 and a session was used outside of a runtime"
            );
        }
    }

    fn start_missing(&self, runtime: &Handle, sweep_delay: Duration) {
        self.spawn(runtime, &self.writing, || self.writer.clone().run());
        self.spawn(runtime, &self.sweeping, || {
            sweep(self.storage.clone(), self.ttl, sweep_delay, self.events.clone())
        });
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &self,
        runtime: &Handle,
        runs: &Arc<AtomicBool>,
        work: impl FnOnce() -> F,
    ) {
        if runs.swap(true, Ordering::AcqRel) {
            return;
        }
        let (running, work) = (Running(runs.clone()), work());
        let mut alive = self.alive.subscribe();
        runtime.spawn(async move {
            let _running = running;
            select! { () = work => {}, _ = alive.changed() => {} }
        });
    }
}
