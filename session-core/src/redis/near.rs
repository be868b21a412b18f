//! The near cache: sessions lately read, kept in this process while the server vouches for them.

use std::{
    collections::{HashMap, VecDeque},
    hash::{BuildHasher, RandomState},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_redis::redis::{PushInfo, PushKind, Value};
use tokio::time::Instant;

use crate::{SessionId, Snapshot};

/// How long an entry may be served. Covers what no invalidation announces: a connection that is
/// half dead, an expiry that the server has not noticed yet.
const LONGEST_AGE: Duration = Duration::from_secs(1);
const SHARDS: usize = 16;
/// What an entry costs beside its text, about: its places in the map and in the queue.
const OVERHEAD: usize = 256;

/// Texts of sessions, bounded in bytes, one per process and server.
///
/// Before a read leaves, its *mark* is set; an invalidation removes the mark or the entry of its
/// key; the answer is kept only if its own mark still stands. So an answer that was overtaken by
/// an invalidation is never kept.
#[derive(Debug)]
pub(super) struct NearCache {
    shards: [Mutex<Shard>; SHARDS],
    hasher: RandomState,
    /// What stands before the ids in the keys that the server announces.
    prefix: String,
    shard_capacity: usize,
    tokens: AtomicU64,
    counts: Counts,
}

#[derive(Debug, Default)]
struct Counts {
    hits: AtomicU64,
    misses: AtomicU64,
    invalidations: AtomicU64,
}

/// What a near cache has done so far, and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NearCacheStats {
    /// Reads answered without a round trip.
    pub hits: u64,
    /// Reads that went to the server.
    pub misses: u64,
    /// Entries dropped because the server said that they had changed.
    pub invalidations: u64,
    /// Bytes held, texts and bookkeeping.
    pub bytes: usize,
}

#[derive(Debug, Default)]
struct Shard {
    slots: HashMap<SessionId, Slot>,
    /// The entries by age, for eviction; an entry that is gone is skipped by its token.
    by_age: VecDeque<(SessionId, u64)>,
    bytes: usize,
}

#[derive(Debug)]
struct Slot {
    token: u64,
    since: Instant,
    /// Outlives this many invalidations: those that its own write causes.
    own_invalidations: u32,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The text is on its way.
    Mark,
    Full(Snapshot),
}

/// What is known of a session before it is read.
#[derive(Debug)]
pub(super) enum Near {
    /// The session itself.
    Hit(Snapshot),
    /// Nothing: read it, and [`fill`](Mark::fill) in the answer.
    Miss(Mark),
    /// Nothing, and nothing to keep the answer in, as where somebody else's mark stands: read it
    /// for yourself.
    Taken,
}

/// The right to fill in one answer. Dropped without, it takes its mark away.
#[derive(Debug)]
pub(super) struct Mark {
    cache: Arc<NearCache>,
    id: SessionId,
    token: u64,
}

impl NearCache {
    pub(super) fn new(prefix: String, capacity: usize) -> Self {
        Self {
            shards: Default::default(),
            hasher: RandomState::new(),
            prefix,
            shard_capacity: capacity / SHARDS,
            tokens: AtomicU64::new(0),
            counts: Counts::default(),
        }
    }

    /// Looks a session up that is near already.
    pub(super) fn hit(&self, id: &SessionId) -> Option<Snapshot> {
        let now = Instant::now();
        let shard = self.shard_of(id.as_str());
        let Content::Full(session) = &shard.young(id, now)?.content else { return None };
        self.counts.hits.fetch_add(1, Ordering::Relaxed);
        Some(session.clone())
    }

    /// Looks a session up, and sets a mark if it has to be read.
    pub(super) fn begin(self: &Arc<Self>, id: &SessionId) -> Near {
        let now = Instant::now();
        let mut shard = self.shard_of(id.as_str());
        let slot = shard.young(id, now);
        if let Some(Slot { content: Content::Full(session), .. }) = slot {
            self.counts.hits.fetch_add(1, Ordering::Relaxed);
            return Near::Hit(session.clone());
        }
        self.counts.misses.fetch_add(1, Ordering::Relaxed);
        if slot.is_some() { Near::Taken } else { Near::Miss(self.mark(&mut shard, id, now, 0)) }
    }

    /// Sets a mark for a write of this process, in the place of whatever stands there.
    ///
    /// The write's script reads the key before and after it sets it, so the server announces the
    /// write to its connection exactly once, right behind the answer, and vouches for the new
    /// text from then on. That one announcement the text outlives. Announcements of one
    /// connection come in order, and those of others can only come in addition, so the next
    /// write by anybody is never the one that is outlived.
    pub(super) fn begin_write(self: &Arc<Self>, id: &SessionId) -> Mark {
        self.mark(&mut self.shard_of(id.as_str()), id, Instant::now(), 1)
    }

    /// Takes in what the server says unasked: keys that have changed, or nil for all of them.
    pub(super) fn hear(&self, push: &PushInfo) {
        match (&push.kind, push.data.first()) {
            (PushKind::Invalidate, Some(Value::Array(keys))) => {
                for key in keys {
                    let Value::BulkString(key) = key else { continue };
                    let key = std::str::from_utf8(key).ok();
                    if let Some(id) = key.and_then(|key| key.strip_prefix(&self.prefix)) {
                        self.invalidate(id);
                    }
                }
            }
            // What was to be announced over a lost connection never will be.
            (PushKind::Invalidate, _) | (PushKind::Disconnection, _) => self.clear(),
            _ => {}
        }
    }

    fn invalidate(&self, id: &str) {
        let mut shard = self.shard_of(id);
        let Some(slot) = shard.slots.get_mut(id) else { return };
        if slot.own_invalidations > 0 {
            slot.own_invalidations -= 1;
        } else {
            self.counts.invalidations.fetch_add(1, Ordering::Relaxed);
            shard.remove(id);
        }
    }

    /// Forgets everything: the server has, or a connection was lost that would have told.
    pub(super) fn clear(&self) {
        for shard in &self.shards {
            *shard.lock().unwrap_or_else(PoisonError::into_inner) = Shard::default();
        }
    }

    pub(super) fn stats(&self) -> NearCacheStats {
        let bytes =
            |shard: &Mutex<Shard>| shard.lock().unwrap_or_else(PoisonError::into_inner).bytes;
        NearCacheStats {
            hits: self.counts.hits.load(Ordering::Relaxed),
            misses: self.counts.misses.load(Ordering::Relaxed),
            invalidations: self.counts.invalidations.load(Ordering::Relaxed),
            bytes: self.shards.iter().map(bytes).sum(),
        }
    }

    fn mark(
        self: &Arc<Self>,
        shard: &mut Shard,
        id: &SessionId,
        since: Instant,
        own_invalidations: u32,
    ) -> Mark {
        let token = self.tokens.fetch_add(1, Ordering::Relaxed);
        shard.remove(id.as_str());
        let slot = Slot { token, since, own_invalidations, content: Content::Mark };
        shard.slots.insert(id.clone(), slot);
        Mark { cache: self.clone(), id: id.clone(), token }
    }

    // A std mutex: a few map operations, never held across an await.
    fn shard_of(&self, id: &str) -> MutexGuard<'_, Shard> {
        let shard = &self.shards[self.hasher.hash_one(id) as usize % SHARDS];
        shard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    /// Keeps the answer if the mark still stands.
    pub(super) fn fill(self, session: &Snapshot) {
        let capacity = self.cache.shard_capacity;
        let cost = cost(&self.id, session);
        let mut shard = self.cache.shard_of(self.id.as_str());
        let Some(slot) = shard.marked(&self).filter(|_| cost <= capacity) else { return };
        // Its age counts from when the read began.
        slot.content = Content::Full(session.clone());
        shard.bytes += cost;
        shard.by_age.push_back((self.id.clone(), self.token));
        shard.shrink(capacity);
    }
}

impl Drop for Mark {
    fn drop(&mut self) {
        let mut shard = self.cache.shard_of(self.id.as_str());
        if shard.marked(self).is_some() {
            shard.remove(self.id.as_str());
        }
    }
}

impl Shard {
    /// The place that a mark keeps, if it still stands.
    fn marked(&mut self, mark: &Mark) -> Option<&mut Slot> {
        let slot = self.slots.get_mut(&mark.id)?;
        let stands = slot.token == mark.token && matches!(slot.content, Content::Mark);
        stands.then_some(slot)
    }

    /// The slot of a session, unless it is too old to be served. A mark that old belongs to a read
    /// that takes very long; its answer is not wanted.
    fn young(&self, id: &SessionId, now: Instant) -> Option<&Slot> {
        self.slots.get(id).filter(|slot| now - slot.since < LONGEST_AGE)
    }

    fn remove(&mut self, id: &str) {
        let Some((id, slot)) = self.slots.remove_entry(id) else { return };
        if let Content::Full(session) = &slot.content {
            self.bytes -= cost(&id, session);
        }
    }

    /// Drops the oldest entries until the rest fits, and those that are too old to be served.
    fn shrink(&mut self, capacity: usize) {
        while let Some((id, token)) = self.by_age.front() {
            let slot = self.slots.get(id).filter(|slot| slot.token == *token);
            let is_old = slot.is_none_or(|slot| slot.since.elapsed() >= LONGEST_AGE);
            if !is_old && self.bytes <= capacity {
                return;
            }
            let (id, token) = self.by_age.pop_front().expect("there is a front");
            if self.slots.get(&id).is_some_and(|slot| slot.token == token) {
                self.remove(id.as_str());
            }
        }
    }
}

fn cost(id: &SessionId, session: &Snapshot) -> usize {
    id.as_str().len() + session.stored().len() + session.len() * 32 + OVERHEAD
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use tokio::time::advance;

    use super::*;

    fn cache(capacity: usize) -> Arc<NearCache> {
        Arc::new(NearCache::new("session:".to_owned(), capacity))
    }

    fn id() -> &'static SessionId {
        static ID: LazyLock<SessionId> = LazyLock::new(|| SessionId::parse("session").unwrap());
        &ID
    }

    fn session(n: u32) -> Snapshot {
        Snapshot::parse(format!("{{\"n\":{n}}}")).unwrap().unwrap()
    }

    fn miss(cache: &Arc<NearCache>) -> Mark {
        let Near::Miss(mark) = cache.begin(id()) else { panic!("something is there") };
        mark
    }

    fn hit(cache: &Arc<NearCache>) -> Option<Snapshot> {
        match cache.begin(id()) {
            Near::Hit(session) => Some(session),
            Near::Miss(_) | Near::Taken => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_served_for_a_second_after_its_read_began() {
        let cache = cache(1 << 20);
        let mark = miss(&cache);
        advance(Duration::from_millis(300)).await;
        mark.fill(&session(1));
        advance(Duration::from_millis(699)).await;
        assert_eq!(hit(&cache), Some(session(1)));
        advance(Duration::from_millis(1)).await;
        assert_eq!(hit(&cache), None);
    }

    #[tokio::test]
    async fn an_answer_overtaken_by_an_invalidation_is_not_kept() {
        let cache = cache(1 << 20);
        let mark = miss(&cache);
        cache.invalidate("session");
        mark.fill(&session(1));
        assert_eq!(hit(&cache), None);
    }

    #[tokio::test]
    async fn an_answer_fills_only_its_own_mark() {
        let cache = cache(1 << 20);
        let first = miss(&cache);
        cache.invalidate("session");
        let second = miss(&cache);
        first.fill(&session(1));
        assert!(matches!(cache.begin(id()), Near::Taken));
        second.fill(&session(2));
        assert_eq!(hit(&cache), Some(session(2)));
    }

    #[tokio::test]
    async fn an_invalidation_removes_what_is_kept() {
        let cache = cache(1 << 20);
        let mark = miss(&cache);
        mark.fill(&session(1));
        cache.invalidate("another");
        assert_eq!(hit(&cache), Some(session(1)));
        cache.invalidate("session");
        assert_eq!(hit(&cache), None);
        assert_eq!(cache.stats().invalidations, 1);
    }

    #[tokio::test]
    async fn an_own_write_outlives_the_one_invalidation_that_it_causes() {
        for announced_first in [true, false] {
            let cache = cache(1 << 20);
            let mark = cache.begin_write(id());
            assert!(matches!(cache.begin(id()), Near::Taken));
            if announced_first {
                cache.invalidate("session");
            }
            mark.fill(&session(1));
            if !announced_first {
                cache.invalidate("session");
            }
            assert_eq!(hit(&cache), Some(session(1)));
            cache.invalidate("session");
            assert_eq!(hit(&cache), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_mark_stands_no_longer_than_an_entry() {
        let cache = cache(1 << 20);
        let _slow = miss(&cache);
        assert!(matches!(cache.begin(id()), Near::Taken));
        advance(LONGEST_AGE).await;
        miss(&cache).fill(&session(1));
        assert_eq!(hit(&cache), Some(session(1)));
    }

    #[tokio::test]
    async fn what_is_forgotten_or_absent_is_not_served() {
        let cache = cache(1 << 20);
        let mark = miss(&cache);
        mark.fill(&session(1));
        let mark = cache.begin_write(id());
        drop(mark);
        let mark = miss(&cache);
        drop(mark);
        let mark = miss(&cache);
        cache.clear();
        mark.fill(&session(1));
        miss(&cache);
        assert_eq!(cache.stats().bytes, 0);
    }

    #[tokio::test]
    async fn the_bytes_held_are_bounded_and_the_oldest_go_first() {
        let capacity = 64 * 1024;
        let cache = cache(capacity);
        let ids: Vec<_> = (0..1000).map(|_| SessionId::random()).collect();
        for id in &ids {
            let Near::Miss(mark) = cache.begin(id) else { panic!("something is there") };
            mark.fill(&session(1));
            assert!(cache.stats().bytes <= capacity);
        }
        assert!(cache.stats().bytes > capacity / 2);
        assert!(matches!(cache.begin(&ids[999]), Near::Hit(_)));
        assert!(matches!(cache.begin(&ids[0]), Near::Miss(_)));

        let huge = Snapshot::parse(format!("{{\"n\":\"{}\"}}", "x".repeat(capacity)));
        let Near::Miss(mark) = cache.begin(id()) else { panic!("something is there") };
        mark.fill(&huge.unwrap().unwrap());
        assert_eq!(hit(&cache), None, "never more than the cache may hold");
    }
}
