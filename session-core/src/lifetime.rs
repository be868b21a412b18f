//! How long sessions live.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use crate::{Error, MAX_TTL, Result, Snapshot, snapshot::Meta};

/// A store counts in milliseconds.
pub(crate) const MIN_TTL: Duration = Duration::from_millis(1);

/// How long sessions live: after their last use, and at most in all.
///
/// A storage asks it for the [time to live](Self::ttl_of) of each session that it stores, because a
/// session may have a time to live of its own, and an end that nothing puts off.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// # use session_core::{Lifetime, Snapshot};
/// let minute = Duration::from_secs(60);
/// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
/// assert_eq!(Lifetime::idle(minute).ttl_of(&session), Some(minute));
///
/// // Remembered for two minutes.
/// let own = Snapshot::parse(r#"{"$meta":{"ttl":120000}}"#)?.expect("it has metadata");
/// assert_eq!(Lifetime::idle(minute).ttl_of(&own), Some(2 * minute));
/// assert_eq!(Lifetime::exactly(minute).ttl_of(&own), Some(minute));
///
/// // Created in 1970.
/// let old = Snapshot::parse(r#"{"$meta":{"created":0}}"#)?.expect("it has metadata");
/// assert_eq!(Lifetime::idle(minute).absolute(Some(minute)).ttl_of(&old), None, "it has ended");
/// # Ok::<(), session_core::Unreadable>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lifetime {
    /// The time to live of sessions that have none of their own.
    pub ttl: Duration,
    /// How long a session lives from its creation, however much it is used.
    pub absolute: Option<Duration>,
    is_exact: bool,
}

impl Lifetime {
    /// A time to live, unless the session has one of its own.
    #[must_use]
    pub const fn idle(ttl: Duration) -> Self {
        Self { ttl, absolute: None, is_exact: false }
    }

    /// This time to live, whatever the session's metadata says.
    #[must_use]
    pub const fn exactly(ttl: Duration) -> Self {
        Self { ttl, absolute: None, is_exact: true }
    }

    /// Sets how long a session lives from its creation.
    #[must_use]
    pub const fn absolute(self, absolute: Option<Duration>) -> Self {
        Self { absolute, ..self }
    }

    /// Returns the time to live of a session from now on, in whole milliseconds. `None` if it has
    /// ended.
    #[must_use]
    pub fn ttl_of(&self, session: &Snapshot) -> Option<Duration> {
        match session.meta() {
            None => Some(self.ttl),
            Some(_) => self.ttl_by(&session.read_meta()),
        }
    }

    pub(crate) fn ttl_by(&self, meta: &Meta) -> Option<Duration> {
        let ttl = meta.ttl().filter(|_| !self.is_exact).unwrap_or(self.ttl);
        match self.left_of_absolute(meta) {
            Some(left) if left.is_zero() => None,
            Some(left) => Some(ttl.min(left)),
            None => Some(ttl),
        }
    }

    /// Returns how much a session's own time to live is longer or shorter, in milliseconds.
    pub(crate) fn idle_shift(&self, meta: &Meta) -> i128 {
        let own = meta.ttl().filter(|_| !self.is_exact);
        own.map_or(0, |own| own.as_millis() as i128 - self.ttl.as_millis() as i128)
    }

    /// Returns the time until the absolute end. `None` if there is no such end.
    pub(crate) fn left_of_absolute(&self, meta: &Meta) -> Option<Duration> {
        let (absolute, created) = (self.absolute?, meta.created()?);
        // A creation in the future is a clock that is behind, or an edit: it prolongs nothing.
        let age = now_millis().saturating_sub(created);
        Some(absolute.saturating_sub(Duration::from_millis(age)))
    }

    /// Returns whether metadata is ignored.
    #[cfg(feature = "redis")]
    pub(crate) fn is_exact(&self) -> bool {
        self.is_exact
    }
}

/// Returns the milliseconds since 1970.
///
/// Follows Tokio's clock, which tests can pause: while it is paused, so is this one.
pub(crate) fn now_millis() -> u64 {
    let (paused, real) = (Instant::now().into_std(), std::time::Instant::now());
    let now = SystemTime::now();
    let now = match paused.checked_duration_since(real) {
        Some(ahead) => now.checked_add(ahead),
        None => now.checked_sub(real.saturating_duration_since(paused)),
    };
    let now = now.and_then(|now| now.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    u64::try_from(now.as_millis()).unwrap_or(u64::MAX)
}

/// Checks that a time to live can be stored. The name is that of the setting.
pub(crate) fn check(name: &str, ttl: Duration) -> Result<()> {
    if (MIN_TTL..=MAX_TTL).contains(&ttl) {
        return Ok(());
    }
    Err(Error::Config(format!("{name} {ttl:?} is not between 1 ms and 10 years")))
}

/// Returns a duration in milliseconds, as metadata has it.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.min(MAX_TTL).as_millis()).expect("ten years fit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_time_stands_still_while_tokios_clock_does() {
        let began = now_millis();
        std::thread::sleep(Duration::from_millis(20));
        assert!(now_millis() - began <= 1);
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert!((3_599_999..=3_600_001).contains(&(now_millis() - began)));
    }

    #[test]
    fn g15_a_creation_in_the_future_prolongs_nothing() {
        let created = now_millis() + 1_000_000;
        let text = format!(r#"{{"$meta":{{"created":{created}}}}}"#);
        let session = Snapshot::parse(text).unwrap().unwrap();
        let (day, hour) = (Duration::from_secs(86_400), Duration::from_secs(3600));
        let lifetime = Lifetime::idle(day).absolute(Some(hour));
        assert_eq!(lifetime.ttl_of(&session), Some(hour));
    }
}
