//! Whether the store is down, as far as the writes tell.

use std::time::Duration;

use tokio::time::Instant;

use super::write::Written;
use crate::{Event, FailureClass, StoreOperation, error::chain};

/// The number of failures in a row after which the store may be down.
const FAILURES: u32 = 8;
/// The store is not down if a write has succeeded within this time.
const RECENTLY: Duration = Duration::from_secs(1);
/// The time between two probes of a store that is down.
const PROBE_INTERVAL: Duration = Duration::from_millis(250);

/// Tells a store that is down from sessions whose own writes fail.
///
/// A part of the store may be away, such as a shard or a lock, while the rest answers. So a failure
/// counts against the store only if its write, and all earlier ones of the session that failed in a
/// row, began after the last success. Enough such failures raise the suspicion that the store is
/// down. Then no write begins until those in flight have answered or become slow: a part that
/// refuses at once answers before one that works.
#[derive(Debug, Default)]
pub(super) struct Outage {
    last_success: Option<Instant>,
    /// The failures since then that count against the store.
    failures: u32,
    /// The last failure's reason, if the store may be down.
    suspicion: Option<String>,
    /// Its kind.
    class: Option<FailureClass>,
    is_down: bool,
    last_probe: Option<Instant>,
    /// The last probe with a fresh session.
    last_fresh_probe: Option<Instant>,
}

impl Outage {
    pub(super) fn record(&mut self, written: &Written) {
        match &written.result {
            Ok(()) => {
                *self = Self { last_success: Some(Instant::now()), ..Self::default() };
            }
            Err(error) => {
                let recent = |since: Instant| since.elapsed() < RECENTLY;
                if self.last_success.is_none_or(|success| written.since > success) {
                    self.failures = self.failures.saturating_add(1);
                }
                if self.failures >= FAILURES && !self.last_success.is_some_and(recent) {
                    self.suspicion = Some(chain(error));
                    self.class = FailureClass::of(error);
                }
            }
        }
    }

    /// Returns the reason why the store may be down.
    pub(super) fn suspicion(&self) -> Option<&str> {
        self.suspicion.as_deref()
    }

    /// Returns the failure that raised the suspicion, as an event of this operation.
    pub(super) fn event(&self, operation: StoreOperation) -> Option<Event<'_>> {
        let reason = self.suspicion.as_deref()?;
        let class = self.class.unwrap_or(FailureClass::Storage);
        Some(Event::StoreFailed { operation, class, reason, is_new: true })
    }

    /// Records that no write has succeeded since the suspicion arose.
    pub(super) fn confirm(&mut self) {
        self.is_down = self.suspicion.is_some();
    }

    pub(super) fn is_down(&self) -> bool {
        self.is_down
    }

    /// Returns whether the store may be probed with any session.
    pub(super) fn may_probe(&self, now: Instant) -> bool {
        is_past(self.last_probe, now)
    }

    /// Returns whether the store may be probed with a fresh session.
    ///
    /// These do not wait for probes with failing ones: if only some sessions fail, it is the fresh
    /// ones that show it.
    pub(super) fn may_probe_fresh(&self, now: Instant) -> bool {
        is_past(self.last_fresh_probe, now)
    }

    pub(super) fn note_probe(&mut self, now: Instant, is_fresh: bool) {
        self.last_probe = Some(now);
        if is_fresh {
            self.last_fresh_probe = Some(now);
        }
    }

    /// Returns when the next probe is due.
    pub(super) fn next_probe(&self, now: Instant) -> Instant {
        self.last_probe.map_or(now, |probe| probe + PROBE_INTERVAL)
    }
}

fn is_past(probe: Option<Instant>, now: Instant) -> bool {
    probe.is_none_or(|probe| now.duration_since(probe) >= PROBE_INTERVAL)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::{Error, SessionId};

    fn id() -> SessionId {
        SessionId::parse("session").unwrap()
    }

    fn succeed(outage: &mut Outage) {
        outage.record(&Written {
            id: id(),
            since: Instant::now(),
            is_retry: false,
            result: Ok(()),
        });
    }

    fn fail(outage: &mut Outage, times: u32, since: Instant) {
        for _ in 0..times {
            outage.record(&Written {
                id: id(),
                since,
                is_retry: false,
                result: Err(Error::Timeout),
            });
        }
    }

    #[tokio::test(start_paused = true)]
    async fn g8_eight_failures_in_a_row_are_suspicious_and_a_success_clears_it() {
        let mut outage = Outage::default();
        fail(&mut outage, 7, Instant::now());
        assert_eq!(outage.suspicion(), None);
        fail(&mut outage, 1, Instant::now());
        assert!(outage.suspicion().is_some() && !outage.is_down());
        succeed(&mut outage);
        assert_eq!(outage.suspicion(), None);
        outage.confirm();
        assert!(!outage.is_down());

        advance(RECENTLY).await;
        fail(&mut outage, 8, Instant::now());
        outage.confirm();
        assert!(outage.is_down());
        succeed(&mut outage);
        assert!(!outage.is_down());
    }

    #[tokio::test(start_paused = true)]
    async fn g16_failures_say_nothing_while_other_writes_succeed() {
        let mut outage = Outage::default();
        succeed(&mut outage);
        advance(RECENTLY / 2).await;
        fail(&mut outage, 100, Instant::now());
        assert_eq!(outage.suspicion(), None, "a write has succeeded half a second ago");
        advance(RECENTLY / 2).await;
        fail(&mut outage, 1, Instant::now());
        assert!(outage.suspicion().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn g16_sessions_that_began_to_fail_before_the_last_success_say_nothing() {
        let mut outage = Outage::default();
        let since = Instant::now();
        advance(Duration::from_millis(100)).await;
        succeed(&mut outage);
        advance(RECENTLY).await;
        fail(&mut outage, 1000, since);
        assert_eq!(outage.suspicion(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn g8_a_store_that_is_down_is_probed_every_250_ms() {
        let mut outage = Outage::default();
        let now = Instant::now();
        assert!(outage.may_probe(now) && outage.may_probe_fresh(now));
        outage.note_probe(now, false);
        assert!(!outage.may_probe(now) && outage.may_probe_fresh(now));
        outage.note_probe(now, true);
        assert!(!outage.may_probe_fresh(now));
        let next = outage.next_probe(now);
        assert_eq!(next - now, PROBE_INTERVAL);
        assert!(outage.may_probe(next) && outage.may_probe_fresh(next));
    }
}
