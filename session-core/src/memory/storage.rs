//! The storage that keeps sessions in this process's memory.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tokio::{
    task::yield_now,
    time::{Instant, sleep},
};

use super::{
    bound::{Bound, Full, Space},
    merges::{self, Merges},
    shard::{self, Entry, Shard},
    users::Users,
};
use crate::{
    Changes, Error, RenameOptions, Result, Scan, SessionId, SetOptions, Snapshot, Storage,
    TtlRange, UserIndex, Written,
};

// Many shards, so that neither the sweep nor a growing map blocks others for long: with ten million
// sessions a shard has ten thousand, which the sweep checks in less than a millisecond.
const SHARDS: usize = 1024;

/// The number of shards swept between two pauses: with a hundred thousand sessions, a few tenths of
/// a millisecond of work.
const SWEEP_BATCH: usize = 16;
/// The shortest time between two searches in vain for expired entries.
const BETWEEN_SEARCHES: Duration = Duration::from_millis(500);
const SWEEP_PAUSE: Duration = Duration::from_millis(1);

/// Keeps sessions in this process's memory: fast, but lost when the process ends.
///
/// The snapshots that it returns share the stored text. Sessions of 256 KiB or more are merged with
/// their changes on Tokio's threads for blocking work, so that no other request waits. It measures
/// time with Tokio's clock, which
/// tests can pause.
///
/// Without a bound, whoever can start sessions can fill the memory: set
/// [`max_sessions`](Self::max_sessions) or [`max_bytes`](Self::max_bytes) where strangers can. At
/// the bound a write that needs more space fails with [`Error::Storage`], and nothing is lost: no
/// living session is ended to make room for another. Expired ones are removed first.
pub struct MemoryStorage {
    // Std mutexes: no critical section awaits, and each is a few map operations.
    shards: Box<[Mutex<Shard>]>,
    // Not the hasher of the maps: ids that share a shard would also collide in its map.
    hasher: RandomState,
    limit: Option<Limit>,
    users: Users,
    merges: Merges,
}

struct Limit {
    bound: Bound,
    /// When no expired entry was found last.
    // A std mutex: one assignment, never held across an await.
    fruitless: Mutex<Option<Instant>>,
}

impl MemoryStorage {
    /// Creates an empty storage without a bound.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self {
            shards,
            hasher: RandomState::new(),
            limit: None,
            users: Users::new(),
            merges: Merges::default(),
        }
    }

    /// Sets the maximum number of sessions.
    ///
    /// A session without items counts, the marker of a renewed id does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let storage = MemoryStorage::new().max_sessions(1);
    /// let items = Snapshot::parse(r#"{"name":"bob"}"#).unwrap().unwrap();
    /// let (items, hour) = (Changes::between(None, &items), Duration::from_secs(3600));
    /// storage.set_session(&SessionId::random(), &items, SetOptions::create(hour)).await?;
    /// let second = storage.set_session(&SessionId::random(), &items, SetOptions::create(hour)).await;
    /// assert!(second.unwrap_err().is_unavailable());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn max_sessions(self, sessions: usize) -> Self {
        let max = Space { sessions, ..self.max() };
        self.bounded(max)
    }

    /// Sets the maximum number of bytes: those of ids and stored texts, and as an estimate of the
    /// rest 256 for each session and 32 for each item.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::MemoryStorage;
    ///
    /// let storage = MemoryStorage::new().max_sessions(100_000).max_bytes(64 << 20);
    /// ```
    #[must_use]
    pub fn max_bytes(self, bytes: usize) -> Self {
        let max = Space { bytes, ..self.max() };
        self.bounded(max)
    }

    fn max(&self) -> Space {
        self.limit.as_ref().map_or(Space::UNBOUNDED, |limit| limit.bound.max)
    }

    fn bounded(mut self, max: Space) -> Self {
        let taken = self.shards.iter().map(|shard| lock(shard).space());
        let bound = Bound::new(max, taken.fold(Space::NONE, |a, b| a + b));
        self.limit = Some(Limit { bound, fruitless: Mutex::default() });
        self
    }

    fn bound(&self) -> Option<&Bound> {
        self.limit.as_ref().map(|limit| &limit.bound)
    }

    fn shard_index(&self, id: &SessionId) -> usize {
        (self.hasher.hash_one(id) % SHARDS as u64) as usize
    }

    fn shard(&self, id: &SessionId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.shard_index(id)])
    }

    /// Adds the ids in a shard to `ids`. Returns `false` if there is no such shard.
    pub(super) fn list_shard(&self, index: usize, ids: &mut Vec<SessionId>) -> bool {
        let Some(shard) = self.shards.get(index) else { return false };
        ids.extend(lock(shard).ids().cloned());
        true
    }

    pub(super) fn has_shard(&self, index: usize) -> bool {
        index < self.shards.len()
    }

    /// Writes. While it is full, removes expired entries and tries again.
    fn write<T>(&self, write: impl Fn() -> Result<T, Full>) -> Result<T> {
        loop {
            match (write(), &self.limit) {
                (Err(_), Some(limit)) if self.remove_some_expired(limit) => {}
                (result, _) => return result.map_err(refused),
            }
        }
    }

    /// Removes the expired entries of the first shard that has any. Returns whether there was one.
    ///
    /// Not those of all shards: a request waits for it. After a search in vain the next one is not
    /// at once, so that requests that are refused cost little, however many sessions there are.
    fn remove_some_expired(&self, limit: &Limit) -> bool {
        let now = Instant::now();
        let mut fruitless = limit.fruitless.lock().unwrap_or_else(PoisonError::into_inner);
        if fruitless.is_some_and(|at| now.duration_since(at) < BETWEEN_SEARCHES) {
            return false;
        }
        let is_found = self.shards.iter().any(|shard| lock(shard).sweep(now, self.bound()));
        *fruitless = (!is_found).then_some(now);
        is_found
    }

    /// Writes, unless the session is or becomes large: `None`.
    fn try_set(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Option<Written>, Full> {
        let (now, size) = (Instant::now(), changes.size());
        let mut shard = self.shard(id);
        let stored = shard.live(id, now).map(|entry| &entry.items);
        if merges::is_large(stored, size) {
            return Ok(None);
        }
        let Some((items, ttl)) = options.apply(changes, stored) else {
            return Ok(Some(Written::Refused));
        };
        let written = Written::saved(&items);
        shard.insert(id, Entry { items, expires: now + ttl }, self.bound())?;
        Ok(Some(written))
    }

    /// Writes a large session. It is merged elsewhere, and stored if it has not changed meanwhile.
    async fn set_large(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let _turn = self.merges.turn(self.shard_index(id)).await;
        loop {
            let seen = self.cached(id);
            let merged = merges::merge(changes, options, seen.clone()).await?;
            let Some((items, ttl)) = merged else { return Ok(Written::Refused) };
            let written = Written::saved(&items);
            let is_stored = self.write(|| {
                let now = Instant::now();
                let mut shard = self.shard(id);
                let stored = shard.live(id, now).map(|entry| &entry.items);
                let is_as_seen = match (stored, &seen) {
                    (Some(stored), Some(seen)) => stored.is_clone_of(seen),
                    (None, None) => true,
                    _ => false,
                };
                if is_as_seen {
                    let items = items.clone();
                    shard.insert(id, Entry { items, expires: now + ttl }, self.bound())?;
                }
                Ok(is_as_seen)
            })?;
            if is_stored {
                return Ok(written);
            }
        }
    }

    fn try_rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool, Full> {
        let now = Instant::now();
        let (from_index, to_index) = (self.shard_index(from), self.shard_index(to));
        // Locks the lower index first, so that two renames cannot deadlock.
        let mut low = lock(&self.shards[from_index.min(to_index)]);
        let mut high =
            (from_index != to_index).then(|| lock(&self.shards[from_index.max(to_index)]));
        let (source, target) = match high.as_deref_mut() {
            Some(high) if from_index < to_index => (&mut *low, Some(high)),
            Some(high) => (high, Some(&mut *low)),
            None => (&mut *low, None),
        };
        let is_taken = target.as_deref().unwrap_or(source).live(to, now).is_some();
        if is_taken || source.session(from, now).is_none() {
            return Ok(false);
        }
        let marker = options.marker();
        let marker = marker.map(|items| Entry { items, expires: now + options.grace });
        shard::rename((source, from), (target, to), marker, self.bound())?;
        Ok(true)
    }
}

/// Ignores poisoning: entries are replaced as a whole, so a panic leaves a shard consistent.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refused(full: Full) -> Error {
    Error::storage("memory", full.to_string())
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        Ok(self.cached(id))
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        self.shard(id).live(id, Instant::now()).map(|entry| entry.items.clone())
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        match self.write(|| self.try_set(id, changes, options))? {
            Some(written) => Ok(written),
            None => Box::pin(self.set_large(id, changes, options)).await,
        }
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        let now = Instant::now();
        Ok(self.shard(id).clamp_ttl(id, now, ttl, self.bound()))
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        let mut shard = self.shard(id);
        let stored = shard.session(id, Instant::now()).map(|entry| &entry.items);
        let removes = stored.is_some_and(|items| if_seen.is_none_or(|seen| seen == items));
        if removes {
            shard.remove(id, self.bound());
        }
        Ok(removes)
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        let now = Instant::now();
        Ok(self.shard(id).session(id, now).map(|entry| entry.expires - now))
    }

    /// Renames in one step, with both shards locked.
    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        self.write(|| self.try_rename(from, to, options))
    }

    fn scanner(&self) -> Option<&dyn Scan> {
        Some(self)
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        Some(&self.users)
    }

    /// Sweeps one shard at a time. Yields to other tasks after each shard, and sleeps after each
    /// batch, because other threads may need the processor.
    async fn sweep(&self) -> Result<()> {
        for (number, batch) in self.shards.chunks(SWEEP_BATCH).enumerate() {
            self.users.sweep(number);
            for shard in batch {
                lock(shard).sweep(Instant::now(), self.bound());
                yield_now().await;
            }
            sleep(SWEEP_PAUSE).await;
        }
        Ok(())
    }
}

impl Default for MemoryStorage {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStorage").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
