//! The sessions under one lock.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant;

use super::{
    entry::{Entry, Place, Slots, Times, Visit, time_left},
    facts::Facts,
    moment::Moment,
};
use crate::SessionId;

/// The maximum number of entries visited under one lock: tens of microseconds.
const BATCH: usize = 16;
/// The maximum number of entries searched for one that can probe the store.
const PROBE_SEARCH: usize = 8;

/// A map of no more entries than this is not made smaller.
const KEPT_CAPACITY: usize = 64;

/// A write that the writer has taken on. Its answer is recorded in any case.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::manager) struct Owed {
    pub(in crate::manager) id: SessionId,
    /// The use that the write makes known.
    pub(in crate::manager) used: Instant,
    pub(super) own_ttl: Option<Duration>,
    /// Whose session it is, if it is known to be a user's.
    pub(in crate::manager) user: Option<Arc<str>>,
    /// When this write begins, or the first of those of this session that failed in a row before.
    pub(in crate::manager) since: Instant,
    /// Whether the last write of this session failed.
    pub(in crate::manager) is_retry: bool,
}

impl Owed {
    fn new(id: SessionId, entry: &Entry, now: Moment) -> Self {
        let since = entry.failing_since().unwrap_or(now);
        let (own_ttl, user) = (entry.own_ttl(), entry.user().cloned());
        let (used, since) = (entry.used.into(), since.into());
        Self { id, used, own_ttl, user, since, is_retry: entry.is_failing() }
    }
}

#[derive(Debug)]
pub(super) struct Shard {
    pub(super) by_id: HashMap<SessionId, Entry>,
    /// One place for each entry whose write is not in flight.
    pub(super) schedule: BTreeSet<(Moment, SessionId)>,
    /// The state of the random numbers that spread retries. They need not be unpredictable.
    random: u64,
}

impl Shard {
    /// Creates an empty shard. The number seeds its random numbers and must not be 0.
    pub(super) fn new(number: u64) -> Self {
        // Bits all over, as the first numbers of a seed with few of them are close to 0.
        let random = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self { by_id: HashMap::new(), schedule: BTreeSet::new(), random }
    }

    pub(super) fn insert(&mut self, id: &SessionId, entry: Entry) {
        if let Place::Scheduled(place) = entry.place {
            self.schedule.insert((place, id.clone()));
        }
        self.by_id.insert(id.clone(), entry);
    }

    pub(super) fn remove(&mut self, id: &SessionId) {
        if let Some(Entry { place: Place::Scheduled(place), .. }) = self.by_id.remove(id) {
            self.schedule.remove(&(place, id.clone()));
        }
    }

    /// Notes what is known of a session. Visits it sooner if its own time to live is shorter, and
    /// returns whether it is to be visited sooner.
    pub(super) fn learn(
        &mut self,
        id: &SessionId,
        facts: Facts<'_>,
        now: Moment,
        times: Times,
    ) -> bool {
        if facts.own_ttl.is_none() && facts.user.is_none() {
            return false;
        }
        let Some(entry) = self.by_id.get_mut(id) else { return false };
        if facts.user.is_some_and(|user| user != entry.user().map(|user| &**user)) {
            entry.set_user(facts.owned_user());
        }
        let Some(own_ttl) = facts.own_ttl.filter(|own_ttl| entry.own_ttl() != *own_ttl) else {
            return false;
        };
        entry.set_own_ttl(own_ttl);
        let due = now + entry.times(times).interval;
        if due >= entry.due {
            return false;
        }
        entry.due = due;
        if let Place::Scheduled(place) = entry.place {
            entry.place = Place::Scheduled(due);
            self.schedule.remove(&(place, id.clone()));
            self.schedule.insert((due, id.clone()));
        }
        true
    }

    /// Visits the entries whose place has come up, until one is to be written.
    ///
    /// Only one, because each of the shards has a turn: so the sessions that wait longest are
    /// written first, whichever their shard. Returns when the next visit is due.
    pub(super) fn visit(
        &mut self,
        now: Moment,
        times: Times,
        slots: &mut Slots,
        owed: &mut Vec<Owed>,
    ) -> Option<Moment> {
        for _ in 0..BATCH {
            if self.schedule.first()?.0 > now {
                break;
            }
            let random = self.random();
            let (place, id) = self.schedule.pop_first()?;
            let entry = self.by_id.get_mut(&id).expect("each place belongs to an entry");
            match entry.visit(now, times, slots, random) {
                Visit::Write => {
                    owed.push(Owed::new(id, entry, now));
                    break;
                }
                Visit::Wait => {
                    self.schedule.insert((place, id));
                    break;
                }
                Visit::Again(place) => {
                    entry.place = Place::Scheduled(place);
                    self.schedule.insert((place, id));
                }
                Visit::Remove => {
                    self.by_id.remove(&id);
                    self.shrink();
                }
            }
        }
        self.schedule.first().map(|(place, _)| *place)
    }

    /// Gives back what a crowd has left behind.
    fn shrink(&mut self) {
        let length = self.by_id.len();
        if self.by_id.capacity() > KEPT_CAPACITY && length < self.by_id.capacity() / 4 {
            self.by_id.shrink_to(length * 2);
        }
    }

    /// Takes on the write of a session, whether due or not.
    pub(super) fn take(&mut self, id: &SessionId, now: Moment, times: Times) -> Option<Owed> {
        let entry = self.by_id.get_mut(id).filter(|entry| entry.is_owed())?;
        if time_left(entry.used, now, entry.times(times)).is_none() {
            self.remove(id);
            return None;
        }
        let place = entry.place;
        entry.begin_write(now, times);
        let owed = Owed::new(id.clone(), entry, now);
        if let Place::Scheduled(place) = place {
            self.schedule.remove(&(place, id.clone()));
        }
        Some(owed)
    }

    /// Returns an owed session that is visited soon, a fresh one if there is any, and whether it
    /// is fresh.
    pub(super) fn probe(&self) -> Option<(SessionId, bool)> {
        let mut failing = None;
        for (_, id) in self.schedule.iter().take(PROBE_SEARCH) {
            let entry = self.by_id.get(id).filter(|entry| entry.is_owed());
            match entry.map(Entry::is_failing) {
                Some(false) => return Some((id.clone(), true)),
                Some(true) => failing = failing.or_else(|| Some((id.clone(), false))),
                None => {}
            }
        }
        failing
    }

    /// Records that the store knows of a use now.
    pub(super) fn settled(&mut self, owed: &Owed) {
        if let Some(entry) = self.by_id.get_mut(&owed.id) {
            entry.note_known(owed.used.into());
            if owed.user.is_some() {
                entry.note_indexed(owed.used.into());
            }
        }
        self.end_write(owed);
    }

    /// Records that the store has no such session.
    pub(super) fn absent(&mut self, owed: &Owed) {
        match self.written(owed) {
            // Unless a request has stored it again meanwhile.
            Some(entry) if entry.stored <= Some(owed.used.into()) => self.remove(&owed.id),
            _ => self.end_write(owed),
        }
    }

    /// Records a failed write.
    pub(super) fn failed(&mut self, owed: &Owed, now: Moment, times: Times) {
        let random = self.random();
        if let Some(entry) = self.written(owed) {
            entry.note_failed(owed.since.into(), now, times, random);
        }
        self.end_write(owed);
    }

    /// Puts an entry back into the schedule.
    fn end_write(&mut self, owed: &Owed) {
        if let Some(entry) = self.written(owed) {
            let due = entry.due;
            entry.place = Place::Scheduled(due);
            self.schedule.insert((due, owed.id.clone()));
        }
    }

    /// Returns the entry of which this write is in flight. A flush may have begun a later one.
    fn written(&mut self, owed: &Owed) -> Option<&mut Entry> {
        let entry = self.by_id.get_mut(&owed.id)?;
        (entry.place == Place::Writing(owed.used.into())).then_some(entry)
    }

    /// Returns a random number from 0 to 1 (xorshift).
    fn random(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 11) as f64 / (1u64 << 53) as f64
    }
}
