//! The writes in flight.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use tokio::time::timeout;

use super::write::Written;

/// The maximum number of quick writes. A Redis connection sends them together.
const MAX_QUICK: usize = 64;
/// The maximum number of slow writes: with the quick ones, fewer than half of the threads that
/// Tokio has for a storage that blocks them.
const MAX_SLOW: usize = 128;
/// The number of slow writes up to which writes that failed before are retried.
const MAX_RETRIES: usize = 16;

/// The writes in flight, quick and slow ones with limits of their own.
///
/// Writes to a part of the store that hangs must not take the slots of the others. A write is slow
/// once it has taken a quarter of the timeout; a retry is slow from its beginning.
pub(super) struct InFlight {
    writes: FuturesUnordered<BoxFuture<'static, Event>>,
    quick: usize,
    slow: usize,
    patience: Duration,
}

enum Event {
    /// A quick write has ended.
    Quick(Written),
    /// A quick write has become slow.
    Slow(BoxFuture<'static, Written>),
    /// A slow write has ended.
    Late(Written),
}

impl InFlight {
    /// Creates an empty set for writes with this timeout.
    pub(super) fn new(limit: Duration) -> Self {
        Self { writes: FuturesUnordered::new(), quick: 0, slow: 0, patience: limit / 4 }
    }

    /// Begins a write.
    pub(super) fn push(&mut self, mut write: BoxFuture<'static, Written>, is_retry: bool) {
        if is_retry {
            self.push_slow(write);
            return;
        }
        self.quick += 1;
        let patience = self.patience;
        let quick = async move {
            match timeout(patience, &mut write).await {
                Ok(written) => Event::Quick(written),
                Err(_) => Event::Slow(write),
            }
        };
        self.writes.push(quick.boxed());
    }

    fn push_slow(&mut self, write: BoxFuture<'static, Written>) {
        self.slow += 1;
        self.writes.push(write.map(Event::Late).boxed());
    }

    /// Waits until a write has ended, or until one has become slow, which returns `None`.
    ///
    /// Returns `None` at once if no write is in flight.
    pub(super) async fn next(&mut self) -> Option<Written> {
        match self.writes.next().await? {
            Event::Quick(written) => {
                self.quick -= 1;
                Some(written)
            }
            Event::Late(written) => {
                self.slow -= 1;
                Some(written)
            }
            Event::Slow(write) => {
                self.quick -= 1;
                self.push_slow(write);
                None
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    pub(super) fn has_quick(&self) -> bool {
        self.quick > 0
    }

    /// Returns the number of fresh writes that may begin.
    pub(super) fn room(&self) -> usize {
        let total = MAX_QUICK + MAX_SLOW;
        (MAX_QUICK - self.quick).min(total - (self.quick + self.slow).min(total))
    }

    /// Returns the number of retries that may begin.
    pub(super) fn room_for_retries(&self) -> usize {
        MAX_RETRIES.saturating_sub(self.slow)
    }
}
