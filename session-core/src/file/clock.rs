//! The time of the machine, and how far it can be believed.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::record::Timestamp;

/// A smaller step of the clock is none: it runs a little faster or slower than a steady one.
const TOLERANCE: Duration = Duration::from_secs(5);

/// The time for which what a jump has made expire is kept: an operator notices a wrong clock.
const DOUBT: Duration = Duration::from_secs(24 * 3600);

/// The time after a jump or a start from which the clock counts as right.
const SETTLING: Duration = Duration::from_secs(3600);

/// The clock of the machine, which all processes share and which runs while none of them does.
///
/// Expiry follows it at once. Only the sweep, which cannot be undone, compares it with a steady
/// clock to notice that it was set.
pub(super) struct Clock {
    read: Box<dyn Fn() -> Reading + Send + Sync>,
    // A std mutex: held for a few comparisons.
    trust: Mutex<Trust>,
}

/// The same moment on two clocks.
#[derive(Clone, Copy)]
pub(super) struct Reading {
    pub(super) wall: Timestamp,
    /// Since any beginning. Cannot be set.
    pub(super) steady: Duration,
}

struct Trust {
    last: Reading,
    skipped: Option<Skipped>,
    /// The time of the last jump on the steady clock.
    jumped: Duration,
}

/// The times that the clock has jumped over.
#[derive(Clone, Copy)]
struct Skipped {
    from: Timestamp,
    to: Timestamp,
    until: Duration,
}

/// What can be said about times now.
#[derive(Clone, Copy)]
pub(super) struct Judge {
    now: Timestamp,
    skipped: Option<Skipped>,
    is_settled: bool,
}

impl Clock {
    pub(super) fn of_the_machine() -> Self {
        let start = Instant::now();
        Self::new(move || Reading { wall: Timestamp::now(), steady: start.elapsed() })
    }

    pub(super) fn new(read: impl Fn() -> Reading + Send + Sync + 'static) -> Self {
        let last = read();
        let trust = Trust { last, skipped: None, jumped: last.steady };
        Self { read: Box::new(read), trust: Mutex::new(trust) }
    }

    pub(super) fn now(&self) -> Timestamp {
        (self.read)().wall
    }

    /// Passes on when the clock was last used before this process started. It may have been set
    /// since, so the time in between counts as a jump.
    pub(super) fn was_used(&self, last: Timestamp) {
        let mut trust = self.trust();
        trust.last.wall = trust.last.wall.min(last);
        drop(trust);
        self.judge();
    }

    /// Looks for a jump since the last call.
    pub(super) fn judge(&self) -> Judge {
        let mut trust = self.trust();
        let Reading { wall: now, steady } = (self.read)();
        let expected = trust.last.wall.after(steady.saturating_sub(trust.last.steady));
        if now > expected.after(TOLERANCE) {
            let from = trust.skipped.map_or(expected, |skipped| skipped.from.min(expected));
            trust.skipped = Some(Skipped { from, to: now, until: steady + DOUBT });
            trust.jumped = steady;
        } else if now.after(TOLERANCE) < expected {
            trust.jumped = steady;
        }
        trust.last = Reading { wall: now, steady };
        // Set back again, the clock has not jumped over what lies ahead of it.
        let skipped = trust.skipped.filter(|skipped| steady < skipped.until);
        trust.skipped = skipped.map(|skipped| Skipped { to: skipped.to.min(now), ..skipped });
        let is_settled = steady >= trust.jumped + SETTLING;
        Judge { now, skipped: trust.skipped, is_settled }
    }

    fn trust(&self) -> MutexGuard<'_, Trust> {
        self.trust.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Judge {
    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    /// Returns whether a time has passed, and not only because the clock has jumped over it.
    pub(super) fn has_passed(&self, time: Timestamp) -> bool {
        let is_skipped =
            self.skipped.is_some_and(|skipped| skipped.from < time && time <= skipped.to);
        time <= self.now && !is_skipped
    }

    /// Returns whether something was written while the clock was ahead of what it shows now, and
    /// what it shows now is right.
    pub(super) fn was_ahead(&self, written: Timestamp) -> bool {
        self.is_settled && written > self.now.after(TOLERANCE)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const MINUTE: Duration = Duration::from_secs(60);

    /// A clock that is set by hand: the steady time, and how far the wall is ahead of it.
    pub(in super::super) struct Hands(Mutex<(Duration, Duration)>);

    impl Hands {
        /// Creates a clock that shows the time of the machine and stands still.
        pub(in super::super) fn clock() -> (Arc<Self>, Clock) {
            Self::clock_ahead(Duration::ZERO)
        }

        /// Creates a clock that is ahead of the machine from the beginning.
        pub(in super::super) fn clock_ahead(by: Duration) -> (Arc<Self>, Clock) {
            let ahead = Timestamp::now().since(Timestamp::EPOCH) + by;
            let hands = Arc::new(Self(Mutex::new((Duration::ZERO, ahead))));
            let read = hands.clone();
            let clock = Clock::new(move || {
                let (steady, ahead) = *read.0.lock().unwrap();
                Reading { wall: time(steady + ahead), steady }
            });
            (hands, clock)
        }

        pub(in super::super) fn pass(&self, duration: Duration) {
            self.0.lock().unwrap().0 += duration;
        }

        pub(in super::super) fn set_forward(&self, duration: Duration) {
            self.0.lock().unwrap().1 += duration;
        }

        pub(in super::super) fn set_back(&self, duration: Duration) {
            self.0.lock().unwrap().1 -= duration;
        }
    }

    fn time(since_1970: Duration) -> Timestamp {
        Timestamp::EPOCH.after(since_1970)
    }

    #[test]
    fn g9_without_jumps_a_time_passes_to_the_millisecond() {
        let (hands, clock) = Hands::clock();
        let expiry = clock.now().after(MINUTE);
        for _ in 0..60 {
            assert!(!clock.judge().has_passed(expiry));
            hands.pass(MINUTE / 60);
            // As a clock that is adjusted runs.
            hands.set_forward(Duration::from_millis(3));
            hands.set_back(Duration::from_millis(3));
        }
        assert!(clock.judge().has_passed(expiry));
    }

    #[test]
    fn what_a_jump_has_skipped_passes_a_day_later() {
        let (hands, clock) = Hands::clock();
        let (before, alive) = (clock.now(), clock.now().after(MINUTE));
        hands.pass(MINUTE / 2);
        hands.set_forward(HOUR);
        let judge = clock.judge();
        assert!(judge.has_passed(before) && !judge.has_passed(alive));
        let new = clock.now().after(MINUTE);
        hands.pass(MINUTE);
        assert!(clock.judge().has_passed(new), "it was written after the jump");
        hands.pass(23 * HOUR);
        assert!(!clock.judge().has_passed(alive));
        hands.pass(HOUR);
        assert!(clock.judge().has_passed(alive));
    }

    #[test]
    fn a_clock_that_is_set_back_again_passes_times_as_before() {
        let (hands, clock) = Hands::clock();
        let alive = clock.now().after(30 * MINUTE);
        for _ in 0..3 {
            hands.set_forward(HOUR);
            assert!(!clock.judge().has_passed(alive));
            hands.pass(MINUTE);
            assert!(!clock.judge().has_passed(alive));
            hands.set_back(HOUR);
            assert!(!clock.judge().has_passed(alive));
        }
        hands.pass(27 * MINUTE);
        assert!(clock.judge().has_passed(alive));
    }

    #[test]
    fn time_that_passed_before_the_start_is_doubted_too() {
        let (hands, clock) = Hands::clock();
        let long_ago = clock.now();
        hands.pass(2 * HOUR);
        let meanwhile = clock.now();
        hands.pass(HOUR);
        clock.judge();
        clock.was_used(long_ago.after(HOUR));
        let judge = clock.judge();
        assert!(judge.has_passed(long_ago) && !judge.has_passed(meanwhile));
    }

    #[test]
    fn what_was_written_ahead_is_told_once_the_clock_has_run_for_an_hour() {
        let (hands, clock) = Hands::clock();
        let written = clock.now().after(10 * HOUR);
        assert!(!clock.judge().was_ahead(written));
        hands.pass(HOUR);
        assert!(clock.judge().was_ahead(written));
        assert!(!clock.judge().was_ahead(clock.now()));
        // A clock that was set back may be wrong now, and right before.
        hands.set_back(HOUR);
        assert!(!clock.judge().was_ahead(written));
        hands.pass(HOUR);
        assert!(clock.judge().was_ahead(written));
    }
}
