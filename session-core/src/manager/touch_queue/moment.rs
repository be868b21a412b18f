//! Moments that take little space.

use std::{num::NonZeroU64, ops::Add, sync::LazyLock, time::Duration};

use tokio::time::Instant;

/// Where the numbers of moments begin. Far from both ends: half of them are centuries.
const ORIGIN: u64 = 1 << 63;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A moment, to the nanosecond. As an `Option` it takes half the space of an [`Instant`], and the
/// queue has several for each session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment(NonZeroU64);

impl Moment {
    pub(super) fn now() -> Self {
        Instant::now().into()
    }

    /// Returns the time since an earlier moment, or zero if it is a later one.
    pub(super) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    pub(super) fn before(self, duration: Duration) -> Self {
        Self::at(self.0.get().saturating_sub(nanos(duration)))
    }

    fn at(number: u64) -> Self {
        Self(NonZeroU64::new(number).unwrap_or(NonZeroU64::MIN))
    }
}

impl Add<Duration> for Moment {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self::at(self.0.get().saturating_add(nanos(duration)))
    }
}

impl From<Instant> for Moment {
    fn from(instant: Instant) -> Self {
        let start = *START;
        Self::at(match instant.checked_duration_since(start) {
            Some(after) => ORIGIN.saturating_add(nanos(after)),
            None => ORIGIN.saturating_sub(nanos(start - instant)),
        })
    }
}

impl From<Moment> for Instant {
    fn from(moment: Moment) -> Self {
        let number = moment.0.get();
        let distance = Duration::from_nanos(number.abs_diff(ORIGIN));
        let moment =
            if number < ORIGIN { START.checked_sub(distance) } else { START.checked_add(distance) };
        // On a clock that cannot go back so far, another moment of the past.
        moment.unwrap_or_else(|| *START)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_exact_and_in_order() {
        let (now, second) = (Instant::now(), Duration::from_secs(1));
        for instant in [now, now + second, now + Duration::from_nanos(1), now - second] {
            assert_eq!(Instant::from(Moment::from(instant)), instant);
        }
        let moment = Moment::from(now);
        assert_eq!(Instant::from(moment + second), now + second);
        assert_eq!(Instant::from(moment.before(second)), now - second);
        assert!(moment.before(second) < moment && moment < moment + Duration::from_nanos(1));
        assert_eq!((moment + second).since(moment), second);
        assert_eq!(moment.since(moment + second), Duration::ZERO);
    }

    #[test]
    fn a_moment_takes_eight_bytes() {
        assert_eq!(size_of::<Option<Moment>>(), 8);
    }
}
