//! The storage that keeps sessions in this process's memory.

use std::{
    collections::HashMap,
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

use crate::{
    Changes, RenameOptions, Result, SessionId, SetOptions, Snapshot, Storage, TtlRange, Written,
};

// Many shards, so that neither the sweep nor a growing map blocks others for long: with ten million
// sessions a shard has ten thousand, which the sweep checks in less than a millisecond.
const SHARDS: usize = 1024;

/// The number of shards swept between two pauses: with a hundred thousand sessions, a few tenths of
/// a millisecond of work.
const SWEEP_BATCH: usize = 16;
const SWEEP_PAUSE: Duration = Duration::from_millis(1);

/// Keeps sessions in this process's memory: fast, but lost when the process ends.
///
/// The snapshots that it returns share the stored text. It measures time with Tokio's clock, which
/// tests can pause.
pub struct MemoryStorage {
    // Std mutexes: no critical section awaits, and each is a few map operations.
    shards: Box<[Mutex<Shard>]>,
    // Not the hasher of the maps: ids that share a shard would also collide in its map.
    hasher: RandomState,
}

type Shard = HashMap<SessionId, Entry>;

struct Entry {
    items: Snapshot,
    expires: Instant,
}

impl MemoryStorage {
    /// Creates an empty storage.
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
        Self { shards, hasher: RandomState::new() }
    }

    fn shard_index(&self, id: &SessionId) -> usize {
        (self.hasher.hash_one(id) % SHARDS as u64) as usize
    }

    fn shard(&self, id: &SessionId) -> MutexGuard<'_, Shard> {
        lock(&self.shards[self.shard_index(id)])
    }
}

/// Ignores poisoning: entries are replaced as a whole, so a panic leaves a shard consistent.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the entry unless it has expired. The sweep removes an expired entry, and a new
/// session of the same id replaces it.
fn live_entry<'a>(shard: &'a mut Shard, id: &SessionId, now: Instant) -> Option<&'a mut Entry> {
    shard.get_mut(id).filter(|entry| entry.expires > now)
}

/// Returns the entry if it is one of a session, and not a marker.
fn live_session<'a>(shard: &'a mut Shard, id: &SessionId, now: Instant) -> Option<&'a mut Entry> {
    live_entry(shard, id, now).filter(|entry| !entry.items.is_marker())
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        Ok(self.cached(id))
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        let mut shard = self.shard(id);
        live_entry(&mut shard, id, Instant::now()).map(|entry| entry.items.clone())
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let now = Instant::now();
        let mut shard = self.shard(id);
        let stored = live_entry(&mut shard, id, now).map(|entry| &entry.items);
        let Some(items) = options.apply(changes, stored) else { return Ok(Written::Refused) };
        shard.insert(id.clone(), Entry { items, expires: now + options.ttl });
        Ok(Written::Saved)
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        let now = Instant::now();
        let mut shard = self.shard(id);
        let Some(entry) = live_session(&mut shard, id, now) else {
            return Ok(false);
        };
        entry.expires = now + ttl.clamp(entry.expires - now);
        Ok(true)
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        let mut shard = self.shard(id);
        let stored = live_session(&mut shard, id, Instant::now()).map(|entry| &entry.items);
        let removes = stored.is_some_and(|items| if_seen.is_none_or(|seen| seen == items));
        if removes {
            shard.remove(id);
        }
        Ok(removes)
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        let now = Instant::now();
        Ok(live_session(&mut self.shard(id), id, now).map(|entry| entry.expires - now))
    }

    /// Renames in one step, with both shards locked.
    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions,
    ) -> Result<bool> {
        let now = Instant::now();
        let (from_index, to_index) = (self.shard_index(from), self.shard_index(to));
        // Locks the lower index first, so that two renames cannot deadlock.
        let low = from_index.min(to_index);
        let mut guards = vec![lock(&self.shards[low])];
        if from_index != to_index {
            guards.push(lock(&self.shards[from_index.max(to_index)]));
        }
        let (source, target) = (usize::from(from_index != low), usize::from(to_index != low));

        let taken = live_entry(&mut guards[target], to, now).is_some();
        if taken || live_session(&mut guards[source], from, now).is_none() {
            return Ok(false);
        }
        let entry = guards[source].remove(from).expect("it is live, and its shard is still locked");
        guards[target].insert(to.clone(), entry);
        if !options.grace.is_zero() {
            let marker = Entry { items: Snapshot::marker(), expires: now + options.grace };
            guards[source].insert(from.clone(), marker);
        }
        Ok(true)
    }

    /// Sweeps one shard at a time. Yields to other tasks after each shard, and sleeps after each
    /// batch, because other threads may need the processor.
    async fn sweep(&self) -> Result<()> {
        for batch in self.shards.chunks(SWEEP_BATCH) {
            for shard in batch {
                sweep(&mut lock(shard), Instant::now());
                yield_now().await;
            }
            sleep(SWEEP_PAUSE).await;
        }
        Ok(())
    }
}

fn sweep(shard: &mut Shard, now: Instant) {
    shard.retain(|_, entry| entry.expires > now);
    // After a burst of sessions the map would keep its capacity forever.
    shard.shrink_to(shard.len() * 2);
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
mod tests {
    use super::*;

    fn id(number: usize) -> SessionId {
        SessionId::parse(&number.to_string()).unwrap()
    }

    async fn create(storage: &MemoryStorage, id: &SessionId, ttl: Duration) {
        let session = Snapshot::parse(r#"{"key":"secret"}"#).unwrap().unwrap();
        let changes = Changes::between(None, &session);
        let written = storage.set_session(id, &changes, SetOptions::create(ttl)).await.unwrap();
        assert_eq!(written, Written::Saved);
    }

    fn entries(storage: &MemoryStorage) -> usize {
        storage.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_expires_to_the_millisecond() {
        let storage = MemoryStorage::new();
        create(&storage, &id(1), Duration::from_millis(100)).await;
        tokio::time::advance(Duration::from_millis(99)).await;
        assert!(storage.get_session(&id(1)).await.unwrap().is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(storage.get_session(&id(1)).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_sweep_removes_only_expired_sessions() {
        let storage = MemoryStorage::new();
        for number in 0..10_000 {
            let ttl = if number % 4 == 0 { 60 } else { 1 };
            create(&storage, &id(number), Duration::from_secs(ttl)).await;
        }
        tokio::time::advance(Duration::from_secs(2)).await;
        storage.sweep().await.unwrap();
        assert_eq!(entries(&storage), 2_500);
        assert!(storage.get_session(&id(4)).await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn the_sweep_yields_to_other_tasks() {
        let storage = MemoryStorage::new();
        let sweep = storage.sweep();
        tokio::pin!(sweep);
        let mut polls = 0;
        std::future::poll_fn(|context| {
            polls += 1;
            sweep.as_mut().poll(context).map(Result::unwrap)
        })
        .await;
        assert!(polls >= SHARDS, "{polls}");
    }

    #[tokio::test]
    async fn sessions_that_share_a_shard_can_be_renamed() {
        let storage = MemoryStorage::new();
        let index = storage.shard_index(&id(0));
        let neighbour = (1..).map(id).find(|other| storage.shard_index(other) == index).unwrap();
        create(&storage, &id(0), Duration::from_secs(60)).await;
        assert!(storage.rename(&id(0), &neighbour, RenameOptions::default()).await.unwrap());
        assert!(!storage.rename(&neighbour, &neighbour, RenameOptions::default()).await.unwrap());
        assert!(storage.get_session(&id(0)).await.unwrap().is_none());
        assert!(storage.get_session(&neighbour).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn g12_debug_shows_neither_ids_nor_items() {
        let storage = MemoryStorage::new();
        create(&storage, &id(1), Duration::from_secs(60)).await;
        assert_eq!(format!("{storage:?}"), "MemoryStorage { .. }");
    }
}
