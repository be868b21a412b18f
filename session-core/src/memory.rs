//! Sessions in this process.

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

use crate::{Changes, Result, SessionId, SetOptions, Snapshot, Storage, Written};

// Many, so that neither the sweep nor a growing table holds up anybody for long: of ten million
// sessions a shard has ten thousand, which are looked through in less than a millisecond.
const SHARDS: usize = 1024;

/// What the sweep does before it rests: with a hundred thousand sessions some tenths of a
/// millisecond.
const SHARDS_AT_A_TIME: usize = 16;
const REST: Duration = Duration::from_millis(1);

/// Keeps sessions in this process: fast, and gone when it ends.
///
/// What it hands out are copies that share the text, so nothing that is done to them reaches the
/// storage. Time is Tokio's, which tests can pause.
pub struct MemoryStorage {
    // Std mutexes: no critical section awaits, and each is a few map operations.
    shards: Box<[Mutex<Shard>]>,
    // Not the maps' own: ids that share a shard would share buckets in it, too.
    hasher: RandomState,
}

type Shard = HashMap<SessionId, Entry>;

struct Entry {
    items: Snapshot,
    expires: Instant,
}

impl MemoryStorage {
    /// Starts without any session.
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

/// Entries are replaced as a whole, so a shard is sound even where a holder has panicked.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An expired entry counts as none; the sweep or the next session of that id clears it away.
fn alive<'a>(shard: &'a mut Shard, id: &SessionId, now: Instant) -> Option<&'a mut Entry> {
    shard.get_mut(id).filter(|entry| entry.expires > now)
}

#[async_trait]
impl Storage for MemoryStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        Ok(self.cached(id))
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        let mut shard = self.shard(id);
        alive(&mut shard, id, Instant::now()).map(|entry| entry.items.clone())
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let now = Instant::now();
        let mut shard = self.shard(id);
        let stored = alive(&mut shard, id, now).map(|entry| &entry.items);
        if !options.allow(stored, changes) {
            return Ok(Written::Refused);
        }
        Ok(match changes.apply(stored) {
            Some(items) => {
                shard.insert(id.clone(), Entry { items, expires: now + options.ttl });
                Written::Saved
            }
            None => {
                shard.remove(id);
                Written::Emptied
            }
        })
    }

    async fn update_ttl(&self, id: &SessionId, ttl: Duration) -> Result<bool> {
        let now = Instant::now();
        let mut shard = self.shard(id);
        let Some(entry) = alive(&mut shard, id, now) else {
            return Ok(false);
        };
        entry.expires = entry.expires.max(now + ttl);
        Ok(true)
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        let mut shard = self.shard(id);
        let there = alive(&mut shard, id, Instant::now()).map(|entry| &entry.items);
        let removes = there.is_some_and(|items| if_seen.is_none_or(|seen| seen == items));
        if removes {
            shard.remove(id);
        }
        Ok(removes)
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        let now = Instant::now();
        Ok(alive(&mut self.shard(id), id, now).map(|entry| entry.expires - now))
    }

    /// One step, both shards held.
    async fn rename(&self, from: &SessionId, to: &SessionId) -> Result<bool> {
        let now = Instant::now();
        let (from_index, to_index) = (self.shard_index(from), self.shard_index(to));
        // Always the lower one first, so that two renames never wait for each other.
        let low = from_index.min(to_index);
        let mut held = vec![lock(&self.shards[low])];
        if from_index != to_index {
            held.push(lock(&self.shards[from_index.max(to_index)]));
        }
        let (source, target) = (usize::from(from_index != low), usize::from(to_index != low));

        let taken = alive(&mut held[target], to, now).is_some();
        if taken || alive(&mut held[source], from, now).is_none() {
            return Ok(false);
        }
        let entry = held[source].remove(from).expect("it was there, and the shard is held");
        held[target].insert(to.clone(), entry);
        Ok(true)
    }

    /// One shard at a time; between two of them others get their turn, and now and then the whole
    /// processor, which other threads may need.
    async fn sweep(&self) -> Result<()> {
        for some in self.shards.chunks(SHARDS_AT_A_TIME) {
            for shard in some {
                sweep(&mut lock(shard), Instant::now());
                yield_now().await;
            }
            sleep(REST).await;
        }
        Ok(())
    }
}

fn sweep(shard: &mut Shard, now: Instant) {
    shard.retain(|_, entry| entry.expires > now);
    // After a flood of sessions the tables would keep their size for ever.
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
    async fn a_session_expires_at_its_millisecond() {
        let storage = MemoryStorage::new();
        create(&storage, &id(1), Duration::from_millis(100)).await;
        tokio::time::advance(Duration::from_millis(99)).await;
        assert!(storage.get_session(&id(1)).await.unwrap().is_some());
        tokio::time::advance(Duration::from_millis(1)).await;
        assert!(storage.get_session(&id(1)).await.unwrap().is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn the_sweep_removes_what_has_expired_and_nothing_else() {
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
    async fn the_sweep_lets_others_have_their_turn() {
        let storage = MemoryStorage::new();
        let sweep = storage.sweep();
        tokio::pin!(sweep);
        let mut turns = 0;
        std::future::poll_fn(|context| {
            turns += 1;
            sweep.as_mut().poll(context).map(Result::unwrap)
        })
        .await;
        assert!(turns >= SHARDS, "{turns}");
    }

    #[tokio::test]
    async fn sessions_that_share_a_shard_are_renamed_like_any_others() {
        let storage = MemoryStorage::new();
        let index = storage.shard_index(&id(0));
        let neighbour = (1..).map(id).find(|other| storage.shard_index(other) == index).unwrap();
        create(&storage, &id(0), Duration::from_secs(60)).await;
        assert!(storage.rename(&id(0), &neighbour).await.unwrap());
        assert!(!storage.rename(&neighbour, &neighbour).await.unwrap());
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
