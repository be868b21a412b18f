//! The range into which a time to live is brought.

use std::time::Duration;

use super::MAX_TTL;
use crate::{Lifetime, Snapshot};

/// The bounds of a time to live, for [`Storage::update_ttl`](super::Storage::update_ttl).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TtlRange {
    /// Extends a time to live that is shorter.
    pub at_least: Duration,
    /// Shortens a time to live that is longer.
    pub at_most: Duration,
    /// How long sessions live, on which the bounds are based.
    pub lifetime: Lifetime,
}

impl TtlRange {
    /// Extends a time to live to at least this one, and shortens none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::TtlRange;
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(TtlRange::at_least(minute).clamp(minute / 2), minute);
    /// assert_eq!(TtlRange::at_least(minute).clamp(minute * 2), minute * 2);
    /// ```
    #[must_use]
    pub const fn at_least(ttl: Duration) -> Self {
        Self { at_least: ttl, at_most: MAX_TTL, lifetime: Lifetime::exactly(ttl) }
    }

    /// Sets the upper bound. The lower bound wins if it is longer.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::TtlRange;
    /// let minute = Duration::from_secs(60);
    /// let range = TtlRange::at_least(minute).at_most(minute * 2);
    /// assert_eq!(range.clamp(minute * 3), minute * 2);
    /// ```
    #[must_use]
    pub const fn at_most(self, ttl: Duration) -> Self {
        Self { at_most: ttl, ..self }
    }

    /// Bases the bounds on a lifetime: for a session with a time to live of its own both are longer
    /// or shorter by as much, and none lies behind a session's absolute end.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Lifetime, Snapshot, TtlRange};
    /// let minute = Duration::from_secs(60);
    /// // Used ten seconds ago.
    /// let range = TtlRange::at_least(minute - Duration::from_secs(10));
    /// let range = range.lifetime(Lifetime::idle(minute));
    /// let session = Snapshot::parse(r#"{"$meta":{"ttl":120000}}"#)?.expect("it has metadata");
    /// assert_eq!(range.of(&session).expect("it lives").at_least.as_secs(), 110);
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub const fn lifetime(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
    }

    /// Returns the bounds for a session. `None` if it has ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Lifetime, Snapshot, TtlRange};
    /// let minute = Duration::from_secs(60);
    /// let range = TtlRange::at_least(minute).lifetime(Lifetime::idle(minute).absolute(Some(minute)));
    /// let session = Snapshot::parse(r#"{"$meta":{"created":0}}"#)?.expect("it has metadata");
    /// assert_eq!(range.of(&session), None);
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn of(&self, session: &Snapshot) -> Option<Self> {
        if session.meta().is_none() {
            return Some(*self);
        }
        let meta = session.read_meta();
        let shift = self.lifetime.idle_shift(&meta);
        let shifted = |bound: Duration| {
            let millis = (bound.as_millis() as i128 + shift).clamp(1, MAX_TTL.as_millis() as i128);
            Duration::from_millis(millis as u64)
        };
        let shifted = |bound: Duration| if shift == 0 { bound } else { shifted(bound) };
        let left = self.lifetime.left_of_absolute(&meta).unwrap_or(Duration::MAX);
        let [at_least, at_most] =
            [self.at_least, self.at_most].map(|bound| shifted(bound).min(left));
        (!left.is_zero()).then_some(Self { at_least, at_most, lifetime: self.lifetime })
    }

    /// Returns the time to live within the range that is nearest to `left`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::TtlRange;
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(TtlRange::at_least(minute).clamp(minute), minute);
    /// ```
    #[must_use]
    pub fn clamp(&self, left: Duration) -> Duration {
        left.min(self.at_most).max(self.at_least)
    }
}
