//! Which sessions a user has.

use std::{
    collections::HashMap,
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;

use crate::{
    NewEntry, Result, SessionId, UserEntry, UserIndex, lifetime::now_millis,
    storage::user_entries::UserEntries,
};

const SHARDS: usize = 64;

type Shard = HashMap<Box<str>, UserEntries>;

/// The entries of all users.
// Std mutexes: no critical section awaits, and each is a few map operations.
pub(super) struct Users {
    shards: Box<[Mutex<Shard>]>,
    hasher: RandomState,
}

impl Users {
    pub(super) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Mutex::default()).collect();
        Self { shards, hasher: RandomState::new() }
    }

    /// Changes the entries of a user, and removes them if none is left.
    fn change<T>(&self, user: &str, change: impl FnOnce(&mut UserEntries, u64) -> T) -> T {
        let mut shard = lock(&self.shards[(self.hasher.hash_one(user) % SHARDS as u64) as usize]);
        let (mut entries, now) = (shard.remove(user).unwrap_or_default(), now_millis());
        entries.prune(now);
        let changed = change(&mut entries, now);
        if entries.prune(now).is_some() {
            shard.insert(user.into(), entries);
        }
        changed
    }

    /// Removes the entries that have expired, of the users in one shard.
    pub(super) fn sweep(&self, shard: usize) {
        let (mut users, now) = (lock(&self.shards[shard % SHARDS]), now_millis());
        users.retain(|_, entries| entries.prune(now).is_some());
        let length = users.len();
        users.shrink_to(length * 2);
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl UserIndex for Users {
    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> Result<bool> {
        Ok(self.change(user, |entries, now| entries.add(id, now, entry)))
    }

    async fn list(&self, user: &str) -> Result<Vec<UserEntry>> {
        Ok(self.change(user, |entries, _| entries.list()))
    }

    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.change(user, |entries, now| entries.end(ids, now));
        Ok(())
    }

    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.change(user, |entries, _| entries.remove(ids));
        Ok(())
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Users").finish_non_exhaustive()
    }
}
