//! Whether a part of the store is away, as far as the writes tell.

use std::{collections::VecDeque, time::Duration};

use tokio::time::Instant;

use super::write::Written;
use crate::SessionId;

/// The number of sessions that must fail. Fewer can have reasons of their own.
const SESSIONS: usize = 4;
/// How long each of them must have failed.
const LONG: Duration = Duration::from_secs(1);
/// The time between two probes of a part that is away.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);

/// Reports a part of the store that is away while the rest answers, such as a shard.
///
/// A few of its sessions are remembered, and probed until most of them can be written again: they
/// expire and leave the queue if the part is away for long, and other sessions tell nothing of it.
#[derive(Debug)]
pub(super) struct PartialOutage {
    failing: VecDeque<Failing>,
    /// A session that has not failed for this long is no longer in use.
    forget_after: Duration,
    is_reported: bool,
    next_probe: Instant,
}

/// A session that fails while others are written.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    pub(super) id: SessionId,
    pub(super) since: Instant,
    last: Instant,
}

impl PartialOutage {
    /// Creates the state of a store that is well, whose sessions are retried at this interval.
    pub(super) fn new(interval: Duration) -> Self {
        Self {
            failing: VecDeque::new(),
            forget_after: interval * 3 + LONG,
            is_reported: false,
            next_probe: Instant::now(),
        }
    }

    /// Returns whether a part is known to be away.
    pub(super) fn is_reported(&self) -> bool {
        self.is_reported
    }

    /// Records a write to a store that is not down as a whole.
    pub(super) fn record(&mut self, written: &Written) {
        match &written.result {
            Ok(()) if self.failing.is_empty() => {}
            Ok(()) => self.succeeded(&written.id),
            // The first failures of a store that is down as a whole are those of a part as well.
            Err(_) if written.is_retry && written.since.elapsed() >= LONG => {
                self.failed(written);
                self.is_reported |= self.failing.len() == SESSIONS;
            }
            Err(_) => {}
        }
    }

    fn succeeded(&mut self, id: &SessionId) {
        self.failing.retain(|failing| failing.id != *id);
        if self.is_reported && self.failing.len() <= SESSIONS / 2 {
            self.failing.clear();
            self.is_reported = false;
        }
    }

    fn failed(&mut self, written: &Written) {
        let now = Instant::now();
        if !self.is_reported {
            self.failing.retain(|failing| now.duration_since(failing.last) < self.forget_after);
        }
        if let Some(known) = self.failing.iter_mut().find(|failing| failing.id == written.id) {
            known.last = now;
        } else if self.failing.len() < SESSIONS {
            let id = written.id.clone();
            self.failing.push_back(Failing { id, since: written.since, last: now });
        }
    }

    /// Returns a session to probe the part with, if one is away and a probe is due.
    pub(super) fn probe(&mut self, now: Instant) -> Option<Failing> {
        if self.next_probe()? > now {
            return None;
        }
        self.next_probe = now + PROBE_INTERVAL;
        self.failing.rotate_left(1);
        self.failing.back().cloned()
    }

    /// Returns when the next probe is due, if a part is away.
    pub(super) fn next_probe(&self) -> Option<Instant> {
        self.is_reported.then_some(self.next_probe)
    }
}
