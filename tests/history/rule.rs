//! The rules for a history, and their violations.

use std::{collections::BTreeMap, fmt, time::Duration};

use super::record::{History, Moment};

/// A rule that every history must obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// Every answer is 200, 409 or 503 in the documented form.
    ProperAnswer,
    /// No read returns a value that was never written, or not written yet.
    OnlyWrittenValues,
    /// No read returns a value of another session or another key.
    OnlyOwnValues,
    /// A write answered 409 has no effect.
    RefusedIsRefused,
    /// No read returns a value that a later acknowledged write has overwritten or removed, or that
    /// an earlier read has shown to be replaced.
    NothingOverwritten,
    /// An acknowledged write remains until it is overwritten, removed or expired, whatever happens
    /// to other keys.
    NothingLost,
    /// A read shows all of a write or none of it, and all items at one moment.
    NothingHalf,
    /// Of concurrent increments every one is counted, once.
    EveryCountCounts,
    /// An item is given to one of the requests that take it.
    TakenOnce,
    /// A session exists until it is ended or expires, and only writes to such sessions are answered
    /// 409.
    OnlyEndedSessionsEnd,
    /// After an acknowledged logout, or once a read has found no session, nothing can be read from
    /// the session or written to it. The same holds for an id that was renewed.
    LogoutIsFinal,
    /// An id that no server has issued is never adopted, and no id is issued twice.
    OnlyIssuedIds,
    /// An id is renewed by itself once it is due, not before, and all requests that are told the
    /// new one are told the same.
    OneNewId,
    /// An id that was renewed by itself leads to nothing once its grace is over.
    GraceEnds,
    /// A session expires once it was unused for its time to live, neither earlier nor later.
    ExpiryIsExact,
    /// No response gives, rolls or takes a cookie against what a later one has established. A
    /// cookie is rolled only for an id that is neither renewed nor ended, a request with a renewed
    /// id is given no other cookie unless it logs in, and only the end of a session removes one.
    CookieIsNewest,
    /// A cookie with an age is kept at least for the time to live.
    CookieOutlastsSession,
}

/// A violation of a rule.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    /// The events that prove it, as indices into the history.
    pub(crate) events: Vec<usize>,
}

/// How long sessions and their ids live, on every server of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    pub(crate) ttl: Duration,
    /// The deviation that still counts as exact.
    pub(crate) tolerance: Duration,
    /// When ids are renewed by themselves. `None`: never.
    pub(crate) renewal: Option<Renewal>,
}

/// The renewal of ids by themselves. The check expects that an id is not due again before the grace
/// of the one before is over, whatever the store does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Renewal {
    /// The age at which an id is due.
    pub(crate) after: Duration,
    /// The time for which the old id leads to the session.
    pub(crate) grace: Duration,
}

impl Expiry {
    /// The demo's default time to live.
    pub(crate) const DEFAULT: Self =
        Self { ttl: Duration::from_secs(60), tolerance: Duration::from_secs(1), renewal: None };
    /// The same where servers are killed, or masters of Redis. Both may forget the last uses, those
    /// of one touch interval: a tenth of the time to live.
    pub(crate) const WITH_KILLS: Self = Self { tolerance: Duration::from_secs(7), ..Self::DEFAULT };
}

/// Displays the first violations with their events.
pub(crate) struct Report<'a>(pub(crate) &'a History, pub(crate) &'a [Violation]);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut counts = BTreeMap::new();
        self.1.iter().for_each(|violation| *counts.entry(violation.rule).or_insert(0) += 1);
        let (all, requests) = (self.1.len(), self.0.events.len());
        writeln!(f, "{all} violations in {requests} requests: {counts:?}")?;
        for violation in self.1.iter().take(5) {
            writeln!(f, "{:?}", violation.rule)?;
            for &event in &violation.events {
                writeln!(f, "  {}", self.0.events[event])?;
            }
        }
        Ok(())
    }
}

pub(super) fn micros(duration: Duration) -> Moment {
    Moment::try_from(duration.as_micros()).expect("a run is shorter than 500,000 years")
}
