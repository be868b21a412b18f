//! The failures of the store that operations met: the latest one, and the log lines about them.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Error, error::chain};

/// The shortest time between two lines about the same reason.
const BETWEEN_LINES: Duration = Duration::from_secs(60);
/// The number of reasons that are told apart.
const REASONS: usize = 8;

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

/// Says each reason once a minute, however many requests fail for it.
#[derive(Debug, Default)]
pub(super) struct RecentFailures {
    // A std mutex: a few comparisons, never held across an await, and locked by failures only.
    reasons: Mutex<Vec<Reason>>,
}

#[derive(Debug)]
struct Reason {
    text: String,
    last: Instant,
    logged: Instant,
    /// The failures since then.
    unlogged: u64,
}

impl RecentFailures {
    pub(super) fn note(&self, error: &Error) {
        if !error.is_unavailable() {
            return;
        }
        let (text, now) = (chain(error), Instant::now());
        let mut reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(index) = reasons.iter().position(|reason| reason.text == text) else {
            log::warn!("sessions cannot be read or written: {text}");
            reasons.truncate(REASONS - 1);
            return reasons.insert(0, Reason { text, last: now, logged: now, unlogged: 0 });
        };
        // The latest failure comes first.
        reasons[..=index].rotate_right(1);
        let reason = &mut reasons[0];
        reason.last = now;
        reason.unlogged += 1;
        if now.duration_since(reason.logged) >= BETWEEN_LINES {
            let count = reason.unlogged;
            log::warn!("sessions cannot be read or written, {count} times more: {text}");
            (reason.logged, reason.unlogged) = (now, 0);
        }
    }

    pub(super) fn last(&self) -> Option<StoreFailure> {
        let reasons = self.reasons.lock().unwrap_or_else(PoisonError::into_inner);
        let last = reasons.first()?;
        Some(StoreFailure { reason: last.text.clone(), ago: last.last.elapsed() })
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_last_failure_is_the_latest_and_reasons_are_bounded() {
        let log = RecentFailures::default();
        assert_eq!(log.last(), None);
        log.note(&Error::Vanished);
        assert_eq!(log.last(), None, "it is no failure of the store");
        for number in 0..20 {
            log.note(&Error::storage("test", format!("reason {number}")));
        }
        log.note(&Error::storage("test", "reason 15"));
        advance(Duration::from_secs(3)).await;
        let last = log.last().unwrap();
        assert!(last.reason.ends_with("test: reason 15"), "{}", last.reason);
        assert_eq!(last.ago, Duration::from_secs(3));
        assert_eq!(log.reasons.lock().unwrap().len(), REASONS);
    }

    #[tokio::test(start_paused = true)]
    async fn a_reason_is_said_again_after_a_minute() {
        let log = RecentFailures::default();
        let unlogged = |log: &RecentFailures| log.reasons.lock().unwrap()[0].unlogged;
        for _ in 0..10 {
            log.note(&Error::Timeout);
        }
        assert_eq!(unlogged(&log), 9);
        advance(BETWEEN_LINES).await;
        log.note(&Error::Timeout);
        assert_eq!(unlogged(&log), 0);
    }
}
