//! What operations on sessions fail with.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::{Error, error::chain};

/// The time without a failure after which it is over. Until then single operations may succeed.
const CALM: Duration = Duration::from_secs(10);
/// The most reasons that are told during one failure.
const MAX_REASONS: usize = 8;

/// A failure of the store, as [`Manager::last_failure`](crate::Manager::last_failure) reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreFailure {
    /// The reason, without ids and items. It may name a file or a setting of the server, so it is
    /// for operators and not for clients.
    pub reason: String,
    /// The time since.
    pub ago: Duration,
}

/// Finds out what is new in a failure that lasts: each reason once, instead of with every request,
/// and its end.
#[derive(Debug, Default)]
pub(super) struct FailureLog {
    /// Whether there is a failure, so that a success costs one load.
    is_failing: AtomicBool,
    // A std mutex: a few comparisons, never held across an await, and locked during failures only.
    failure: Mutex<Option<Failure>>,
}

#[derive(Debug)]
struct Failure {
    /// The reasons that were told. The latest one to occur is the last.
    reasons: Vec<String>,
    last: Instant,
}

impl FailureLog {
    /// Records a failure of the store. Returns its reason, and whether that is to be told.
    pub(super) fn failed(&self, error: &Error) -> (String, bool) {
        let (reason, last) = (chain(error), Instant::now());
        let mut failure = self.failure();
        let Failure { reasons, last: latest } =
            failure.get_or_insert_with(|| Failure { reasons: Vec::new(), last });
        *latest = last;
        let known = reasons.iter().position(|known| *known == reason);
        let is_new = known.is_none() && reasons.len() < MAX_REASONS;
        if let Some(known) = known {
            reasons[known..].rotate_left(1);
        } else if is_new {
            reasons.push(reason.clone());
        }
        self.is_failing.store(true, Ordering::Relaxed);
        (reason, is_new)
    }

    /// Records a success. Returns whether the failure is over now.
    pub(super) fn is_over(&self) -> bool {
        self.is_failing.load(Ordering::Relaxed) && self.end()
    }

    pub(super) fn last(&self) -> Option<StoreFailure> {
        let failure = self.failure();
        let Failure { reasons, last } = failure.as_ref()?;
        Some(StoreFailure { reason: reasons.last()?.clone(), ago: last.elapsed() })
    }

    #[cold]
    fn end(&self) -> bool {
        let is_over = |failure: &mut Failure| failure.last.elapsed() >= CALM;
        let mut failure = self.failure();
        let is_over = failure.take_if(is_over).is_some();
        if is_over {
            self.is_failing.store(false, Ordering::Relaxed);
        }
        is_over
    }

    fn failure(&self) -> MutexGuard<'_, Option<Failure>> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_failure_is_the_latest_to_occur() {
        let log = FailureLog::default();
        assert_eq!(log.last(), None);
        for number in [1, 2, 3, 2] {
            log.failed(&Error::storage("test", format!("reason {number}")));
        }
        advance(Duration::from_secs(3)).await;
        let last = log.last().unwrap();
        assert!(last.reason.ends_with("test: reason 2"), "{}", last.reason);
        assert_eq!(last.ago, Duration::from_secs(3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_failure_is_over_after_ten_seconds_without_one() {
        let log = FailureLog::default();
        log.failed(&Error::Timeout);
        advance(CALM / 2).await;
        assert!(!log.is_over() && log.last().is_some());
        advance(CALM / 2).await;
        assert!(log.is_over());
        assert_eq!(log.last(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn the_reasons_are_bounded() {
        let log = FailureLog::default();
        for number in 0..100 {
            log.failed(&Error::storage("test", number.to_string()));
        }
        assert_eq!(log.failure().as_ref().unwrap().reasons.len(), MAX_REASONS);
    }
}
