//! The queue of all sessions.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{sync::Notify, time::Instant};

use super::{
    entry::{Entry, Slots, Times, time_left},
    facts::Facts,
    moment::Moment,
    shard::{Owed, Shard},
};
use crate::{Lifetime, SessionId, TtlRange};

/// Many shards, so that threads seldom meet at one, and the writer blocks few sessions at a time.
const SHARDS: usize = 64;

/// Limits the writes of each session's time to live to one per interval.
///
/// The first use of a session on this node is written at once. Later uses within the interval are
/// written when it ends, with the time to live that is then left after the last use. So a session
/// in steady use costs one write per interval, and still expires exactly.
///
/// Each session has one entry, however often it is used and however long the store is away. The
/// entry is removed when the session has not been used for an interval, or has expired.
#[derive(Debug)]
pub(in crate::manager) struct TouchQueue {
    lifetime: Lifetime,
    times: Times,
    shards: Box<[Aligned]>,
    /// The shard whose turn it is.
    turn: AtomicUsize,
    /// Wakes the writer for a first use, and for a session that is to be visited sooner.
    sooner: Notify,
}

/// A shard on cache lines of its own: threads that use different shards do not slow each other.
// A std mutex: a few map operations, never held across an await.
#[derive(Debug)]
#[repr(align(128))]
struct Aligned(Mutex<Shard>);

impl TouchQueue {
    pub(in crate::manager) fn new(lifetime: Lifetime, interval: Duration) -> Self {
        let ttl = lifetime.ttl;
        let shard = |number| Aligned(Mutex::new(Shard::new(number)));
        Self {
            lifetime,
            times: Times { ttl, interval },
            shards: (1..=SHARDS as u64).map(shard).collect(),
            turn: AtomicUsize::new(0),
            sooner: Notify::new(),
        }
    }

    /// Records that a session is used now. Returns whether to send a persistent cookie
    /// again.
    ///
    /// Takes one lock, and allocates only for a session without an entry.
    pub(in crate::manager) fn used(&self, id: &SessionId, now: Instant, facts: Facts<'_>) -> bool {
        let (mut shard, now) = (self.shard(id), now.into());
        if shard.learn(id, facts, now, self.times) {
            self.sooner.notify_one();
        }
        if let Some(entry) = shard.by_id.get_mut(id) {
            return entry.note_used(now, self.times);
        }
        shard.insert(id, Entry::used(now, self.times, facts));
        drop(shard);
        self.sooner.notify_one();
        true
    }

    /// Records that the full time to live, counted from `since`, has been stored.
    pub(in crate::manager) fn stored(&self, id: &SessionId, since: Instant, facts: Facts<'_>) {
        let (mut shard, since) = (self.shard(id), since.into());
        if shard.learn(id, facts, since, self.times) {
            self.sooner.notify_one();
        }
        match shard.by_id.get_mut(id) {
            Some(entry) => entry.note_stored(since, self.times),
            None => shard.insert(id, Entry::stored(since, self.times, facts)),
        }
    }

    /// Records whose session it is, and that the index of users knows of a use of it.
    pub(in crate::manager) fn learned(&self, id: &SessionId, user: &str, used: Instant) {
        if let Some(entry) = self.shard(id).by_id.get_mut(id) {
            entry.set_user(Some(user.into()));
            entry.note_indexed(used.into());
        }
    }

    /// Records that the index of users knows of a use of this session.
    pub(in crate::manager) fn indexed(&self, id: &SessionId, used: Instant) {
        if let Some(entry) = self.shard(id).by_id.get_mut(id) {
            entry.note_indexed(used.into());
        }
    }

    /// Returns how long an entry in the index of users lives whose session lives for `left`.
    ///
    /// Longer, because the session may be written until its entry is moved, and that is put off
    /// while the index cannot be written.
    pub(in crate::manager) fn entry_ttl(
        &self,
        left: Duration,
        own_ttl: Option<Duration>,
    ) -> Duration {
        left + self.times.with(own_ttl).interval * 2
    }

    /// Returns how long the entry of an owed session lives.
    pub(in crate::manager) fn entry_ttl_of(&self, owed: &Owed, ttl: TtlRange) -> Duration {
        self.entry_ttl(ttl.at_least, owed.own_ttl)
    }

    /// Returns whether a session was not looked at for an interval, and notes that it is.
    pub(in crate::manager) fn look(&self, id: &SessionId, now: Instant) -> bool {
        let mut shard = self.shard(id);
        shard.by_id.get_mut(id).is_none_or(|entry| entry.look(now.into(), self.times))
    }

    /// Removes a session that has ended.
    pub(in crate::manager) fn ended(&self, id: &SessionId) {
        self.shard(id).remove(id);
    }

    /// Returns how long a session still lives, counted from its last use on this node.
    pub(in crate::manager) fn remaining(&self, id: &SessionId) -> Option<Duration> {
        let shard = self.shard(id);
        let entry = shard.by_id.get(id)?;
        let ttl = entry.times(self.times).ttl;
        Some((entry.used + ttl).since(Moment::now()))
    }

    /// Waits until a session is used for the first time, or is to be visited sooner.
    pub(in crate::manager) async fn sooner(&self) {
        self.sooner.notified().await;
    }

    pub(in crate::manager) fn interval(&self) -> Duration {
        self.times.interval
    }

    /// Takes on the writes that are due and for which there are slots.
    ///
    /// Returns when the next call is due, or `None` if only a free slot or a first use changes
    /// anything.
    pub(in crate::manager) fn take_due(&self, mut slots: Slots) -> (Vec<Owed>, Option<Instant>) {
        let now = Moment::now();
        let (mut owed, mut next) = (Vec::new(), None::<Moment>);
        let first = self.turn.load(Ordering::Relaxed);
        for turn in first..first + SHARDS {
            if slots.are_taken() {
                self.turn.store(turn % SHARDS, Ordering::Relaxed);
                return (owed, None);
            }
            let mut shard = lock(&self.shards[turn % SHARDS].0);
            let due = shard.visit(now, self.times, &mut slots, &mut owed);
            next = match (next, due) {
                (Some(next), Some(due)) => Some(next.min(due)),
                (next, due) => next.or(due),
            };
        }
        (owed, next.map(Instant::from))
    }

    /// Takes on one owed write, due or not, to find out whether the store is back.
    ///
    /// A fresh session is preferred: if only some sessions fail, the probe must not be one of them.
    /// Each call begins behind the shard of the last one, so that another session is tried.
    pub(in crate::manager) fn take_probe(&self) -> Option<Owed> {
        let first = self.turn.load(Ordering::Relaxed);
        let mut found = None;
        for turn in first..first + SHARDS {
            let Some((id, is_fresh)) = lock(&self.shards[turn % SHARDS].0).probe() else {
                continue;
            };
            if is_fresh || found.is_none() {
                found = Some((turn, id));
            }
            if is_fresh {
                break;
            }
        }
        let (turn, id) = found?;
        self.turn.store((turn + 1) % SHARDS, Ordering::Relaxed);
        self.take(&id)
    }

    /// Takes on the write of a session, whether due or not, or returns `None` if it owes none.
    pub(in crate::manager) fn take(&self, id: &SessionId) -> Option<Owed> {
        self.shard(id).take(id, Moment::now(), self.times)
    }

    /// Returns the sessions that owe a write: fresh ones first, and those that the store keeps for
    /// the shortest time.
    pub(in crate::manager) fn owed(&self) -> Vec<SessionId> {
        let mut owed = Vec::new();
        for Aligned(shard) in &self.shards {
            let shard = lock(shard);
            let entries = shard.by_id.iter().filter(|(_, entry)| entry.is_owed());
            owed.extend(entries.map(|(id, entry)| (entry.is_failing(), entry.stored, id.clone())));
        }
        // Not by id too: those of a part of the store that hangs may begin alike.
        owed.sort_by_key(|(is_failing, stored, _)| (*is_failing, *stored));
        owed.into_iter().map(|(_, _, id)| id).collect()
    }

    /// Counts the sessions that owe a write.
    #[cfg(feature = "metrics")]
    pub(in crate::manager) fn count_owed(&self) -> usize {
        let owed = |shard: &Shard| shard.by_id.values().filter(|entry| entry.is_owed()).count();
        self.shards.iter().map(|Aligned(shard)| owed(&lock(shard))).sum()
    }

    /// Returns the range of times to live to write now, or `None` if the session has expired.
    ///
    /// Not longer than this manager's, which reaches a session written under a longer one.
    pub(in crate::manager) fn ttl_of(&self, owed: &Owed) -> Option<TtlRange> {
        let times = self.times.with(owed.own_ttl);
        let at_least = time_left(owed.used.into(), Moment::now(), times)?;
        let lifetime = Lifetime::idle(times.ttl).absolute(self.lifetime.absolute);
        Some(TtlRange::at_least(at_least).at_most(times.ttl + times.interval).lifetime(lifetime))
    }

    /// Returns the upper bound of a time to live. The store keeps a session for longer only if it
    /// was written under a longer time to live than this manager's.
    pub(in crate::manager) fn longest_ttl(&self) -> Duration {
        self.times.ttl + self.times.interval
    }

    pub(in crate::manager) fn lifetime(&self) -> Lifetime {
        self.lifetime
    }

    /// Records that an owed write has succeeded.
    pub(in crate::manager) fn settled(&self, owed: &Owed) {
        self.shard(&owed.id).settled(owed);
        self.visit_sooner(owed);
    }

    /// Records that the store has no such session.
    pub(in crate::manager) fn absent(&self, owed: &Owed) {
        self.shard(&owed.id).absent(owed);
    }

    /// Records that an owed write has failed, so that it is retried.
    pub(in crate::manager) fn failed(&self, owed: &Owed) {
        self.shard(&owed.id).failed(owed, Moment::now(), self.times);
        self.visit_sooner(owed);
    }

    /// Wakes the writer for a session that is due before all others may be.
    fn visit_sooner(&self, owed: &Owed) {
        if owed.own_ttl.is_some_and(|ttl| ttl < self.times.ttl) {
            self.sooner.notify_one();
        }
    }

    fn shard(&self, id: &SessionId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[shard_of(id)].0)
    }

    /// Counts the entries of the largest shard.
    #[cfg(test)]
    pub(in crate::manager) fn largest_shard(&self) -> usize {
        let entries = self.shards.iter().map(|Aligned(shard)| lock(shard).by_id.len());
        entries.max().unwrap_or_default()
    }

    /// Counts the entries, and their places in the schedule.
    #[cfg(test)]
    pub(in crate::manager) fn len(&self) -> (usize, usize) {
        let shards = self.shards.iter().map(|Aligned(shard)| lock(shard));
        shards.fold((0, 0), |(entries, places), shard| {
            (entries + shard.by_id.len(), places + shard.schedule.len())
        })
    }
}

/// Returns the place of a session's shard.
///
/// Not by the hasher of the maps: ids that share a shard would also collide in its map. A cheap
/// hash suffices, because clients do not choose the ids of sessions, and only the wait for a lock
/// depends on it.
fn shard_of(id: &SessionId) -> usize {
    let (words, rest) = id.as_str().as_bytes().as_chunks();
    let words = words.iter().map(|word| u64::from_le_bytes(*word));
    let hash = words.chain(rest.iter().map(|byte| u64::from(*byte))).fold(0, |hash: u64, word| {
        (hash.rotate_left(5) ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    });
    (hash >> 32) as usize % SHARDS
}

/// Ignores poisoning: the writer's task is started again after a panic.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}
