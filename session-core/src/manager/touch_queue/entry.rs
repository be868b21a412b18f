//! One session in the queue.

use std::{sync::Arc, time::Duration};

use super::{facts::Facts, moment::Moment};
use crate::lifetime::MIN_TTL;

/// The pause after the first failure. It doubles with each further one, up to the interval.
const FIRST_RETRY: Duration = Duration::from_millis(250);
/// The shortest pause. Without it, a session about to expire would be visited without end.
const MIN_PAUSE: Duration = Duration::from_millis(10);
/// By how many intervals a first use precedes writes that are due now. A write that a slow store
/// has left overdue for longer comes first: its session may expire within the next interval, as the
/// time to live is at least ten intervals.
const FIRST_USE_LEAD: u32 = 8;

/// The settings of a queue.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    pub(super) ttl: Duration,
    /// The minimum time between two writes of a session.
    pub(super) interval: Duration,
}

impl Times {
    /// Returns the times of a session with a time to live of its own.
    pub(super) fn with(self, own_ttl: Option<Duration>) -> Self {
        let Some(ttl) = own_ttl else { return self };
        Self { ttl, interval: self.interval.min(ttl / 10).max(MIN_TTL) }
    }
}

/// The number of writes that may begin.
#[derive(Debug)]
pub(in crate::manager) struct Slots {
    /// For sessions whose last write did not fail.
    pub(in crate::manager) fresh: usize,
    /// For sessions whose last write failed. Those that get no slot are put off.
    pub(in crate::manager) failing: usize,
    /// Whether fresh sessions that get no slot are put off too, instead of waiting for one.
    pub(in crate::manager) put_off: bool,
}

impl Slots {
    /// Returns whether a visit can do nothing because every slot is taken.
    pub(super) fn are_taken(&self) -> bool {
        self.fresh == 0 && !self.put_off
    }
}

/// A session's times, and its place in the schedule.
///
/// It is *settled* if the store knows of the last use, *owed* if not, and *failing* if it is owed
/// and its last write failed.
#[derive(Debug)]
pub(super) struct Entry {
    /// The last use on this node.
    pub(super) used: Moment,
    /// The last use that the store knows of; `None` before the first write by this node.
    pub(super) stored: Option<Moment>,
    /// When a persistent cookie was last sent; `None` if not since the entry exists.
    rolled: Option<Moment>,
    /// When its metadata was last looked at; `None` if not since the entry exists.
    looked: Option<Moment>,
    /// When an owed write is due. A settled entry is removed then.
    pub(super) due: Moment,
    pub(super) place: Place,
    /// `None` if there is nothing of the kind.
    rare: Option<Box<Rare>>,
}

/// What few sessions have, apart because there is an entry for every session in use.
#[derive(Debug, Default, PartialEq)]
struct Rare {
    /// The session's own time to live, if it has one.
    own_ttl: Option<Duration>,
    /// Whose session it is, if it is known to be a user's.
    user: Option<Arc<str>>,
    /// The last use that the index of users knows of.
    indexed: Option<Moment>,
    /// The writes that failed since the last that succeeded.
    failing: Option<Failing>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
struct Failing {
    /// When the first of these writes began.
    since: Moment,
    times: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In the schedule under this time. It may be earlier than `due`, which a request's write moves
    /// without reordering the schedule.
    Scheduled(Moment),
    /// Not in the schedule, because the write that makes this use known is in flight.
    Writing(Moment),
}

/// The result of a visit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Visit {
    /// The write begins.
    Write,
    /// The write waits for a slot.
    Wait,
    /// The entry is to be visited again at this time.
    Again(Moment),
    /// The entry is settled and was not used for an interval, or it has expired.
    Remove,
}

impl Entry {
    /// Creates the entry of a session whose first use on this node is owed at once.
    pub(super) fn used(now: Moment, times: Times, facts: Facts<'_>) -> Self {
        // The store may keep the session for only a moment longer: nothing here tells.
        let place = Place::Scheduled(now.before(times.interval * FIRST_USE_LEAD));
        let rolled = Some(now);
        Self { used: now, stored: None, rolled, looked: None, due: now, place, rare: None }
            .knowing(facts)
    }

    /// Creates the entry of a session that a request has stored.
    pub(super) fn stored(since: Moment, times: Times, facts: Facts<'_>) -> Self {
        let due = since + times.with(facts.own_ttl.flatten()).interval;
        let (stored, place) = (Some(since), Place::Scheduled(due));
        Self { used: since, stored, rolled: None, looked: None, due, place, rare: None }
            .knowing(facts)
    }

    fn knowing(mut self, facts: Facts<'_>) -> Self {
        self.change_rare(|rare| {
            rare.own_ttl = facts.own_ttl.flatten();
            rare.user = facts.owned_user();
        });
        self
    }

    /// Returns the session's own time to live, if it has one.
    pub(super) fn own_ttl(&self) -> Option<Duration> {
        self.rare.as_ref()?.own_ttl
    }

    pub(super) fn set_own_ttl(&mut self, own_ttl: Option<Duration>) {
        self.change_rare(|rare| rare.own_ttl = own_ttl);
    }

    /// Returns whose session it is, if it is known to be a user's.
    pub(super) fn user(&self) -> Option<&Arc<str>> {
        self.rare.as_ref()?.user.as_ref()
    }

    pub(super) fn set_user(&mut self, user: Option<Arc<str>>) {
        self.change_rare(|rare| rare.user = user);
    }

    fn failing(&self) -> Option<Failing> {
        self.rare.as_ref()?.failing
    }

    fn change_rare(&mut self, change: impl FnOnce(&mut Rare)) {
        if let Some(rare) = &mut self.rare {
            change(rare);
            if **rare == Rare::default() {
                self.rare = None;
            }
            return;
        }
        let mut rare = Rare::default();
        change(&mut rare);
        if rare != Rare::default() {
            self.rare = Some(Box::new(rare));
        }
    }

    /// Returns the times of this session.
    pub(super) fn times(&self, times: Times) -> Times {
        times.with(self.own_ttl())
    }

    /// Records a use. Returns whether a persistent cookie has to be sent again.
    ///
    /// The cookie is due before the next write, because the request that sends it extends the
    /// session itself. So a session in steady use is written by one of the two.
    pub(super) fn note_used(&mut self, now: Moment, times: Times) -> bool {
        let times = self.times(times);
        self.used = self.used.max(now);
        let pause = times.interval - times.interval / 10;
        let roll = self.rolled.is_none_or(|rolled| now.since(rolled) >= pause);
        if roll {
            self.rolled = Some(now);
        }
        roll
    }

    /// Returns whether the metadata was not looked at for an interval, and notes that it is.
    pub(super) fn look(&mut self, now: Moment, times: Times) -> bool {
        let interval = self.times(times).interval;
        let is_due = self.looked.is_none_or(|looked| now.since(looked) >= interval);
        if is_due {
            self.looked = Some(now);
        }
        is_due
    }

    /// Records that a request has stored the full time to live, counted from `since`.
    pub(super) fn note_stored(&mut self, since: Moment, times: Times) {
        let times = self.times(times);
        let owes_index = self.owes_index();
        self.used = self.used.max(since);
        self.note_known(since);
        // A request does not tell the index, so that it is told once an interval however often the
        // session is stored.
        if !owes_index {
            self.due = self.due.max(since + times.interval);
        }
    }

    /// Records that the store knows of a use.
    pub(super) fn note_known(&mut self, used: Moment) {
        self.stored = self.stored.max(Some(used));
        if self.is_failing() {
            self.change_rare(|rare| rare.failing = None);
        }
    }

    /// Records that a write has failed, the first of its row at `since`, and puts the next one off
    /// for longer.
    pub(super) fn note_failed(&mut self, since: Moment, now: Moment, times: Times, random: f64) {
        let times = self.times(times);
        if !self.is_owed() {
            return;
        }
        let Failing { since, times: before } =
            self.failing().unwrap_or(Failing { since, times: 0 });
        let doubled = FIRST_RETRY.saturating_mul(1 << before.min(16));
        let failing = Failing { since, times: before.saturating_add(1) };
        self.change_rare(|rare| rare.failing = Some(failing));
        let pause = doubled.min(times.interval).mul_f64(1.0 - random / 4.0);
        self.due = now + self.in_time(pause, now, times);
    }

    /// Records that the write of the last use begins.
    pub(super) fn begin_write(&mut self, now: Moment, times: Times) {
        let times = self.times(times);
        self.place = Place::Writing(self.used);
        self.due = now + times.interval;
    }

    /// Records that the index of users knows of a use.
    pub(super) fn note_indexed(&mut self, used: Moment) {
        self.change_rare(|rare| rare.indexed = rare.indexed.max(Some(used)));
    }

    /// Returns whether the store, or the index of users, does not know of the last use.
    pub(super) fn is_owed(&self) -> bool {
        self.stored.is_none_or(|stored| stored < self.used) || self.owes_index()
    }

    fn owes_index(&self) -> bool {
        let Some(rare) = &self.rare else { return false };
        rare.user.is_some() && rare.indexed.is_none_or(|indexed| indexed < self.used)
    }

    pub(super) fn is_failing(&self) -> bool {
        self.failing().is_some()
    }

    /// Returns when the first of the writes began that have failed in a row.
    pub(super) fn failing_since(&self) -> Option<Moment> {
        self.failing().map(|failing| failing.since)
    }

    /// Decides what to do with an entry whose place in the schedule has come up.
    pub(super) fn visit(
        &mut self,
        now: Moment,
        times: Times,
        slots: &mut Slots,
        random: f64,
    ) -> Visit {
        let times = self.times(times);
        if self.due > now {
            return Visit::Again(self.due);
        }
        if !self.is_owed() || time_left(self.used, now, times).is_none() {
            return Visit::Remove;
        }
        let slots_left = if self.is_failing() { &mut slots.failing } else { &mut slots.fresh };
        if *slots_left > 0 {
            *slots_left -= 1;
            self.begin_write(now, times);
            Visit::Write
        } else if self.is_failing() || slots.put_off {
            // Spread, so that sessions used together are not written together when the store is
            // back. Sooner if nothing tells how long the store still keeps the session.
            let pause = times.interval.mul_f64(0.5 + random / 2.0);
            let pause = if self.stored.is_some() { pause } else { pause / 4 };
            self.due = now + self.in_time(pause, now, times);
            Visit::Again(self.due)
        } else {
            Visit::Wait
        }
    }

    /// Shortens a pause, so that the next visit comes before the session expires in the store.
    ///
    /// At most half of the time that is left there: however late the store comes back, the sessions
    /// with the least time left are written first, and in time.
    fn in_time(&self, pause: Duration, now: Moment, times: Times) -> Duration {
        let left = self.stored.and_then(|stored| time_left(stored, now, times));
        let pause = left.map_or(pause, |left| pause.min(left / 2));
        pause.max(MIN_PAUSE)
    }
}

/// Returns the time to live that is left after a use, or `None` if it is too short to be stored.
pub(super) fn time_left(used: Moment, now: Moment, times: Times) -> Option<Duration> {
    let left = (used + times.ttl).since(now);
    (left >= MIN_TTL).then_some(left)
}
