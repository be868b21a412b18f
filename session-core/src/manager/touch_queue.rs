//! The schedule of the writes of times to live.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::SessionId;

/// Limits the writes of each session's time to live to one per interval.
///
/// The first use of a session on this node is written at once. Later uses within the interval are
/// written when it ends, with the time to live that is then left after the last use. So a session
/// in steady use costs one write per interval, and still expires exactly.
#[derive(Debug)]
pub(super) struct TouchQueue {
    ttl: Duration,
    interval: Duration,
    // A std mutex: a few map operations, never held across an await.
    entries: Mutex<Entries>,
}

#[derive(Debug, Default)]
struct Entries {
    by_id: HashMap<SessionId, Touch>,
    /// When each entry is to be checked again. The interval is constant, so they are in order.
    due: VecDeque<(Instant, SessionId)>,
    /// Writes owed at once: first uses, and writes that failed.
    urgent: Vec<SessionId>,
}

#[derive(Debug)]
struct Touch {
    used: Instant,
    /// The last use that the store knows of; `None` before the first write by this node.
    stored: Option<Instant>,
    /// When a persistent cookie was last sent.
    rolled: Instant,
    due: Instant,
}

/// A write owed to the store.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) id: SessionId,
    /// The use that the write makes known.
    pub(super) used: Instant,
    /// The time to live that is left after this use.
    pub(super) ttl: Duration,
}

/// The consequences of a use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Used {
    /// Whether a write is owed at once.
    pub(super) urgent: bool,
    /// Whether a persistent cookie has to be sent again.
    pub(super) roll: bool,
}

impl TouchQueue {
    pub(super) fn new(ttl: Duration, interval: Duration) -> Self {
        Self { ttl, interval, entries: Mutex::default() }
    }

    /// Records that a session has just been used.
    pub(super) fn used(&self, id: &SessionId) -> Used {
        let now = Instant::now();
        let mut entries = self.entries();
        if let Some(touch) = entries.by_id.get_mut(id) {
            touch.used = now;
            return Used { urgent: false, roll: touch.roll(now, self.interval) };
        }
        entries.insert(id, now, None, now + self.interval);
        entries.urgent.push(id.clone());
        Used { urgent: true, roll: true }
    }

    /// Records that the full time to live, counted from `since`, has been stored.
    pub(super) fn stored(&self, id: &SessionId, since: Instant) {
        let mut entries = self.entries();
        if let Some(touch) = entries.by_id.get_mut(id) {
            touch.used = touch.used.max(since);
            touch.stored = touch.stored.max(Some(since));
        } else {
            // As if the cookie was sent an interval ago, so that the next use sends it.
            let due = Instant::now() + self.interval;
            entries.insert(id, since, Some(since), due);
            let touch = entries.by_id.get_mut(id).expect("just inserted");
            touch.rolled = since.checked_sub(self.interval).unwrap_or(since);
        }
    }

    /// Removes a session that has ended.
    pub(super) fn forget(&self, id: &SessionId) {
        self.entries().by_id.remove(id);
    }

    /// Returns how long a session still lives, counted from its last use on this node.
    pub(super) fn remaining(&self, id: &SessionId) -> Option<Duration> {
        let used = self.entries().by_id.get(id)?.used;
        Some((used + self.ttl).saturating_duration_since(Instant::now()))
    }

    /// Takes the writes that are due, and returns when the next call is due.
    pub(super) fn take_due(&self) -> (Vec<Owed>, Instant) {
        let now = Instant::now();
        let mut entries = self.entries();
        let mut owed = entries.take_urgent(now, self.ttl);
        while let Some((due, _)) = entries.due.front() {
            if *due > now {
                break;
            }
            let (due, id) = entries.due.pop_front().expect("there is a front");
            let Some(touch) = entries.by_id.get_mut(&id).filter(|touch| touch.due == due) else {
                continue;
            };
            match touch.owed(&id, now, self.ttl) {
                Some(write) => {
                    touch.due = now + self.interval;
                    let again = (touch.due, id);
                    entries.due.push_back(again);
                    owed.push(write);
                }
                None => {
                    entries.by_id.remove(&id);
                }
            }
        }
        let next = entries.due.front().map_or(now + self.interval, |(due, _)| *due);
        (owed, next)
    }

    /// Takes all owed writes, whether due or not.
    pub(super) fn take_all(&self) -> Vec<Owed> {
        let now = Instant::now();
        let mut entries = self.entries();
        entries.urgent.clear();
        let owed = |(id, touch): (&SessionId, &Touch)| touch.owed(id, now, self.ttl);
        entries.by_id.iter().filter_map(owed).collect()
    }

    /// Records that an owed write has succeeded.
    pub(super) fn settled(&self, owed: &Owed) {
        if let Some(touch) = self.entries().by_id.get_mut(&owed.id) {
            touch.stored = touch.stored.max(Some(owed.used));
        }
    }

    /// Records that an owed write has failed, so that it is retried soon.
    pub(super) fn failed(&self, owed: Owed) {
        self.entries().urgent.push(owed.id);
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entries {
    fn insert(&mut self, id: &SessionId, used: Instant, stored: Option<Instant>, due: Instant) {
        self.by_id.insert(id.clone(), Touch { used, stored, rolled: used, due });
        self.due.push_back((due, id.clone()));
    }

    fn take_urgent(&mut self, now: Instant, ttl: Duration) -> Vec<Owed> {
        let urgent = std::mem::take(&mut self.urgent);
        urgent.into_iter().filter_map(|id| self.by_id.get(&id)?.owed(&id, now, ttl)).collect()
    }
}

impl Touch {
    fn owed(&self, id: &SessionId, now: Instant, ttl: Duration) -> Option<Owed> {
        let left = (self.used + ttl).saturating_duration_since(now);
        let known = self.stored.is_some_and(|stored| stored >= self.used);
        // A store counts in milliseconds, and a shorter time would pass before the write.
        (!known && left >= Duration::from_millis(1)).then(|| Owed {
            id: id.clone(),
            used: self.used,
            ttl: left,
        })
    }

    fn roll(&mut self, now: Instant, interval: Duration) -> bool {
        let roll = now.duration_since(self.rolled) >= interval;
        if roll {
            self.rolled = now;
        }
        roll
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    const TTL: Duration = Duration::from_secs(60);
    const INTERVAL: Duration = Duration::from_secs(6);

    fn id() -> SessionId {
        SessionId::parse("session").unwrap()
    }

    fn ttls(owed: &[Owed]) -> Vec<u64> {
        owed.iter().map(|owed| owed.ttl.as_secs()).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn g9_the_first_use_is_owed_at_once_and_later_ones_when_the_interval_ends() {
        let queue = TouchQueue::new(TTL, INTERVAL);
        assert!(queue.used(&id()).urgent);
        let (owed, next) = queue.take_due();
        assert_eq!(ttls(&owed), [60]);
        owed.iter().for_each(|owed| queue.settled(owed));

        advance(Duration::from_secs(2)).await;
        assert!(!queue.used(&id()).urgent);
        assert!(queue.take_due().0.is_empty());

        tokio::time::sleep_until(next).await;
        let (owed, _) = queue.take_due();
        assert_eq!(ttls(&owed), [56], "counted from the last use, four seconds ago");
        owed.iter().for_each(|owed| queue.settled(owed));

        advance(INTERVAL).await;
        assert!(queue.take_due().0.is_empty(), "not used since");
        assert!(queue.entries().by_id.is_empty() && queue.entries().due.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_stored_ttl_owes_nothing_until_the_next_use() {
        let queue = TouchQueue::new(TTL, INTERVAL);
        queue.stored(&id(), Instant::now());
        assert!(queue.take_all().is_empty());
        advance(Duration::from_secs(1)).await;
        assert_eq!(queue.used(&id()), Used { urgent: false, roll: true });
        assert_eq!(ttls(&queue.take_all()), [60]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_failed_write_is_owed_again_until_the_session_has_expired() {
        let queue = TouchQueue::new(TTL, INTERVAL);
        queue.used(&id());
        for left in [60, 59, 58] {
            let (mut owed, _) = queue.take_due();
            assert_eq!(ttls(&owed), [left]);
            queue.failed(owed.remove(0));
            advance(Duration::from_secs(1)).await;
        }
        advance(TTL).await;
        assert!(queue.take_due().0.is_empty());
        assert!(queue.entries().by_id.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn g2_an_ended_session_owes_nothing() {
        let queue = TouchQueue::new(TTL, INTERVAL);
        queue.used(&id());
        queue.forget(&id());
        assert!(queue.take_due().0.is_empty());
        assert!(queue.take_all().is_empty());
        assert_eq!(queue.remaining(&id()), None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_cookie_rolls_once_an_interval() {
        let queue = TouchQueue::new(TTL, INTERVAL);
        let mut rolls = Vec::new();
        for _ in 0..8 {
            rolls.push(queue.used(&id()).roll);
            advance(Duration::from_secs(2)).await;
        }
        assert_eq!(rolls, [true, false, false, true, false, false, true, false]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_time_left_counts_from_the_last_use_here() {
        let queue = TouchQueue::new(TTL, INTERVAL);
        queue.stored(&id(), Instant::now());
        advance(Duration::from_secs(5)).await;
        queue.used(&id());
        advance(Duration::from_secs(1)).await;
        assert_eq!(queue.remaining(&id()), Some(Duration::from_secs(59)));
    }
}
