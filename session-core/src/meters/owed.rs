//! The number of writes of times to live that are owed.

use std::time::Duration;

use metrics::gauge;
use tokio::time::Instant;

use super::names::OWED;

/// The time between two counts, each of which visits every session in use.
const INTERVAL: Duration = Duration::from_secs(5);

/// A gauge that is set from time to time.
#[derive(Debug)]
pub(crate) struct OwedGauge {
    due: Instant,
}

impl OwedGauge {
    pub(crate) fn new() -> Self {
        Self { due: Instant::now() }
    }

    /// Sets the gauge if that is due. Returns when it is due again.
    pub(crate) fn refresh(&mut self, count: impl FnOnce() -> usize) -> Instant {
        let now = Instant::now();
        if self.due <= now {
            gauge!(OWED).set(count() as f64);
            self.due = now + INTERVAL;
        }
        self.due
    }
}
