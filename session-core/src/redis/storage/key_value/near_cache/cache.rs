//! The cache and its placeholders.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::time::Instant;

use super::shard::{Found, Shard};
#[cfg(feature = "metrics")]
use crate::meters::NearCacheMeters;
use crate::{SessionId, Snapshot, shards::Shards};

const SHARDS: usize = 16;

/// Sessions kept in this process, bounded in bytes. One per [`Redis`](crate::Redis) handle.
///
/// A read sets a *placeholder* before it is sent. An announced change removes the placeholder or
/// the entry of its key. The answer is kept only if its own placeholder still exists, so an answer
/// that was overtaken by an announcement is never kept.
#[derive(Debug)]
pub(crate) struct NearCache {
    shards: Shards<Shard, SHARDS>,
    /// The prefix of the keys that the server announces.
    prefix: String,
    shard_capacity: usize,
    /// The number of servers that do not announce changes. Nothing is cached while there are any.
    silent: AtomicUsize,
    #[cfg(feature = "metrics")]
    meters: NearCacheMeters,
}

/// Statistics of a near cache, since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NearCacheStats {
    /// The number of reads answered without a round trip.
    pub hits: u64,
    /// The number of reads sent to the server.
    pub misses: u64,
    /// The number of entries removed because the server announced a change.
    pub invalidations: u64,
    /// The bytes held now, texts and bookkeeping.
    pub bytes: usize,
}

/// The result of looking a session up.
#[derive(Debug)]
pub(crate) enum Lookup {
    Hit(Snapshot),
    /// Not cached: read from Redis and [`fill`](Placeholder::fill) in the answer.
    Miss(Placeholder),
    /// Not cached, and another read already owns the placeholder: read from Redis and do not cache
    /// the answer.
    Busy,
}

/// The right to fill in one answer. Dropping it removes the placeholder.
#[derive(Debug)]
pub(crate) struct Placeholder {
    cache: Arc<NearCache>,
    id: SessionId,
    token: u64,
}

impl NearCache {
    pub(crate) fn new(prefix: String, capacity: usize) -> Self {
        Self {
            shards: Shards::default(),
            prefix,
            shard_capacity: capacity / SHARDS,
            silent: AtomicUsize::new(0),
            #[cfg(feature = "metrics")]
            meters: NearCacheMeters::default(),
        }
    }

    /// Returns a cached session, without setting a placeholder.
    pub(crate) fn hit(&self, id: &SessionId) -> Option<Snapshot> {
        let now = Instant::now();
        let mut shard = self.shards.lock(id.as_str());
        let Found::Session(session) = shard.find(id, now) else { return None };
        let session = session.clone();
        self.note_hit(&mut shard);
        Some(session)
    }

    /// Looks a session up, and sets a placeholder if it has to be read.
    pub(crate) fn look_up(self: &Arc<Self>, id: &SessionId) -> Lookup {
        let now = Instant::now();
        let mut shard = self.shards.lock(id.as_str());
        let is_busy = match shard.find(id, now) {
            Found::Session(session) => {
                let session = session.clone();
                self.note_hit(&mut shard);
                return Lookup::Hit(session);
            }
            Found::Placeholder => true,
            Found::Nothing => false,
        };
        self.note_miss(&mut shard);
        if is_busy { Lookup::Busy } else { Lookup::Miss(self.reserve(&mut shard, id, now, 0)) }
    }

    /// Sets a placeholder for a write of this process, replacing whatever is there.
    ///
    /// The script of the write reads the key before and after it sets it. So the server announces
    /// the write to its connection exactly once, right behind the answer, and tracks the new text
    /// from then on. The new entry ignores that one announcement. Announcements arrive in order,
    /// and other connections can only cause additional ones, so the announcement of a later write
    /// is never the one ignored.
    pub(crate) fn begin_write(self: &Arc<Self>, id: &SessionId) -> Placeholder {
        self.reserve(&mut self.shards.lock(id.as_str()), id, Instant::now(), 1)
    }

    /// Removes the entry or placeholder of a key that has changed.
    pub(super) fn invalidate(&self, key: &str) {
        let Some(id) = key.strip_prefix(&self.prefix) else { return };
        self.shards.lock(id).invalidate(id);
    }

    /// Takes in that one more server does not announce changes, or one fewer.
    pub(super) fn note_silence(&self, is_silent: bool) {
        if is_silent {
            self.silent.fetch_add(1, Ordering::Relaxed);
        } else {
            self.silent.fetch_sub(1, Ordering::Relaxed);
        }
        self.clear();
    }

    /// Removes everything.
    pub(super) fn clear(&self) {
        self.shards.lock_each().for_each(|mut shard| shard.clear());
    }

    pub(crate) fn stats(&self) -> NearCacheStats {
        self.shards.lock_each().fold(NearCacheStats::default(), |sum, shard| NearCacheStats {
            hits: sum.hits + shard.counts.hits,
            misses: sum.misses + shard.counts.misses,
            invalidations: sum.invalidations + shard.counts.invalidations,
            bytes: sum.bytes + shard.bytes(),
        })
    }

    fn reserve(
        self: &Arc<Self>,
        shard: &mut Shard,
        id: &SessionId,
        since: Instant,
        own_invalidations: u32,
    ) -> Placeholder {
        let token = shard.reserve(id, since, own_invalidations);
        Placeholder { cache: self.clone(), id: id.clone(), token }
    }

    // Counted under the lock that is held anyway, because a counter of the process would be written
    // by all its threads.
    fn note_hit(&self, shard: &mut Shard) {
        shard.counts.hits += 1;
        #[cfg(feature = "metrics")]
        self.meters.hit();
    }

    fn note_miss(&self, shard: &mut Shard) {
        shard.counts.misses += 1;
        #[cfg(feature = "metrics")]
        self.meters.miss();
    }
}

impl Placeholder {
    /// Caches the answer if the placeholder still exists.
    pub(crate) fn fill(self, session: &Snapshot) {
        if self.cache.silent.load(Ordering::Relaxed) > 0 {
            return;
        }
        let mut shard = self.cache.shards.lock(self.id.as_str());
        // The guard is dropped before `self`, which locks the shard again.
        shard.fill(&self.id, self.token, session, self.cache.shard_capacity);
    }
}

impl Drop for Placeholder {
    fn drop(&mut self) {
        self.cache.shards.lock(self.id.as_str()).release(&self.id, self.token);
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::LazyLock, time::Duration};

    use tokio::time::advance;

    use super::{super::shard::LONGEST_AGE, *};

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

    fn miss(cache: &Arc<NearCache>) -> Placeholder {
        let Lookup::Miss(placeholder) = cache.look_up(id()) else { panic!("an entry exists") };
        placeholder
    }

    fn hit(cache: &Arc<NearCache>) -> Option<Snapshot> {
        match cache.look_up(id()) {
            Lookup::Hit(session) => Some(session),
            Lookup::Miss(_) | Lookup::Busy => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_is_served_for_a_second_after_its_read_began() {
        let cache = cache(1 << 20);
        let placeholder = miss(&cache);
        advance(Duration::from_millis(300)).await;
        placeholder.fill(&session(1));
        advance(Duration::from_millis(699)).await;
        assert_eq!(hit(&cache), Some(session(1)));
        advance(Duration::from_millis(1)).await;
        assert_eq!(hit(&cache), None);
    }

    #[tokio::test]
    async fn an_answer_overtaken_by_an_invalidation_is_not_kept() {
        let cache = cache(1 << 20);
        let placeholder = miss(&cache);
        cache.invalidate("session:session");
        placeholder.fill(&session(1));
        assert_eq!(hit(&cache), None);
    }

    #[tokio::test]
    async fn an_answer_fills_only_its_own_placeholder() {
        let cache = cache(1 << 20);
        let first = miss(&cache);
        cache.invalidate("session:session");
        let second = miss(&cache);
        first.fill(&session(1));
        assert!(matches!(cache.look_up(id()), Lookup::Busy));
        second.fill(&session(2));
        assert_eq!(hit(&cache), Some(session(2)));
    }

    #[tokio::test]
    async fn an_invalidation_removes_the_entry() {
        let cache = cache(1 << 20);
        let placeholder = miss(&cache);
        placeholder.fill(&session(1));
        cache.invalidate("session:another");
        assert_eq!(hit(&cache), Some(session(1)));
        cache.invalidate("session:session");
        assert_eq!(hit(&cache), None);
        assert_eq!(cache.stats().invalidations, 1);
    }

    #[tokio::test]
    async fn an_own_write_ignores_the_one_invalidation_it_causes() {
        for announced_first in [true, false] {
            let cache = cache(1 << 20);
            let placeholder = cache.begin_write(id());
            assert!(matches!(cache.look_up(id()), Lookup::Busy));
            if announced_first {
                cache.invalidate("session:session");
            }
            placeholder.fill(&session(1));
            if !announced_first {
                cache.invalidate("session:session");
            }
            assert_eq!(hit(&cache), Some(session(1)));
            cache.invalidate("session:session");
            assert_eq!(hit(&cache), None);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_placeholder_lives_no_longer_than_an_entry() {
        let cache = cache(1 << 20);
        let _slow = miss(&cache);
        assert!(matches!(cache.look_up(id()), Lookup::Busy));
        advance(LONGEST_AGE).await;
        miss(&cache).fill(&session(1));
        assert_eq!(hit(&cache), Some(session(1)));
    }

    #[tokio::test]
    async fn removed_and_absent_entries_are_not_served() {
        let cache = cache(1 << 20);
        let placeholder = miss(&cache);
        placeholder.fill(&session(1));
        let placeholder = cache.begin_write(id());
        drop(placeholder);
        let placeholder = miss(&cache);
        drop(placeholder);
        let placeholder = miss(&cache);
        cache.clear();
        placeholder.fill(&session(1));
        miss(&cache);
        assert_eq!(cache.stats().bytes, 0);
    }

    #[tokio::test]
    async fn the_bytes_held_are_bounded_and_the_oldest_entries_are_evicted_first() {
        let capacity = 64 * 1024;
        let cache = cache(capacity);
        let ids: Vec<_> = (0..1000).map(|_| SessionId::random()).collect();
        for id in &ids {
            let Lookup::Miss(placeholder) = cache.look_up(id) else { panic!("an entry exists") };
            placeholder.fill(&session(1));
            assert!(cache.stats().bytes <= capacity);
        }
        assert!(cache.stats().bytes > capacity / 2);
        assert!(matches!(cache.look_up(&ids[999]), Lookup::Hit(_)));
        assert!(matches!(cache.look_up(&ids[0]), Lookup::Miss(_)));

        let huge = Snapshot::parse(format!("{{\"n\":\"{}\"}}", "x".repeat(capacity)));
        let Lookup::Miss(placeholder) = cache.look_up(id()) else { panic!("an entry exists") };
        placeholder.fill(&huge.unwrap().unwrap());
        assert_eq!(hit(&cache), None, "a session larger than the cache is not kept");
    }
}
