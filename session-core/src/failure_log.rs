//! Logs a failure that lasts once, instead of with every request.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// The time without a failure after which it is over. Until then single requests may succeed.
const CALM: Duration = Duration::from_secs(10);

/// The most reasons that are told during one failure.
const MAX_REASONS: usize = 8;

/// The log lines about one kind of failure: its reasons, each once, and its end.
pub(crate) struct FailureLog {
    what: String,
    /// Whether there is a failure, so that a success costs one load.
    is_failing: AtomicBool,
    // A std mutex: held for a few comparisons.
    failure: Mutex<Option<Failure>>,
}

struct Failure {
    reasons: Vec<String>,
    last: Instant,
}

impl FailureLog {
    /// Creates a log of failures that are described by `what`, such as "files cannot be read".
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), is_failing: AtomicBool::new(false), failure: Mutex::default() }
    }

    pub(crate) fn failed(&self, reason: &str) {
        let (mut failure, last) = (self.failure(), Instant::now());
        let known = failure.get_or_insert_with(|| Failure { reasons: Vec::new(), last });
        known.last = last;
        let is_new = known.reasons.iter().all(|known| known != reason);
        if is_new && known.reasons.len() < MAX_REASONS {
            log::warn!("{}: {reason}", self.what);
            known.reasons.push(reason.to_owned());
        }
        self.is_failing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn succeeded(&self) {
        if self.is_failing.load(Ordering::Relaxed) {
            self.end();
        }
    }

    #[cold]
    fn end(&self) {
        let mut failure = self.failure();
        let is_over = |failure: &mut Failure| failure.last.elapsed() >= CALM;
        if failure.take_if(is_over).is_some() {
            log::info!("no longer: {}", self.what);
            self.is_failing.store(false, Ordering::Relaxed);
        }
    }

    fn failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
