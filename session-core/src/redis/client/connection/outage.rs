//! The log lines about a server that is away.

use std::sync::{Arc, atomic::Ordering};

use tokio::time::Instant;

use super::target::Target;

/// One connection's part in an outage: its server is down, or takes no writes.
///
/// The first connection to notice logs it, the last one to recover logs the end.
pub(super) struct Outage {
    target: Arc<Target>,
    pub(super) since: Instant,
}

impl Outage {
    pub(super) fn begin(target: Arc<Target>, what: &str) -> Self {
        if target.outages.fetch_add(1, Ordering::Relaxed) == 0 {
            log::warn!("redis {target} {what}");
        }
        target.alarm.send_replace(());
        Self { target, since: Instant::now() }
    }

    pub(super) fn end(self) {
        if self.target.outages.load(Ordering::Relaxed) == 1 {
            log::info!("redis {} is back", self.target);
        }
    }
}

impl Drop for Outage {
    fn drop(&mut self) {
        self.target.outages.fetch_sub(1, Ordering::Relaxed);
    }
}
