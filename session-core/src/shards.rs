//! What is locked session by session, so that threads rarely meet at one lock.

use std::{
    fmt,
    hash::{BuildHasher, RandomState},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Values of which each key has one, many keys the same.
///
/// The locks are for a few map operations each, and never held across an await.
pub(crate) struct Shards<T, const COUNT: usize> {
    shards: Box<[Aligned<T>]>,
    // Not the hasher of the maps inside: keys that share a shard would also collide in its map.
    hasher: RandomState,
}

/// A shard on cache lines of its own: threads that use different shards do not slow each other.
#[derive(Default)]
#[repr(align(128))]
struct Aligned<T>(Mutex<T>);

impl<T, const COUNT: usize> Shards<T, COUNT> {
    /// Locks the shard of a key.
    pub(crate) fn lock(&self, key: &str) -> MutexGuard<'_, T> {
        let number = self.hasher.hash_one(key) % COUNT as u64;
        self.shards[number as usize].lock()
    }

    #[cfg(any(feature = "redis", test))]
    /// Locks one shard after the other.
    pub(crate) fn lock_each(&self) -> impl Iterator<Item = MutexGuard<'_, T>> {
        self.shards.iter().map(Aligned::lock)
    }
}

impl<T> Aligned<T> {
    /// Ignores poisoning: whoever uses a shard leaves it consistent at each step.
    fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default, const COUNT: usize> Default for Shards<T, COUNT> {
    fn default() -> Self {
        let shards = (0..COUNT).map(|_| Aligned::default()).collect();
        Self { shards, hasher: RandomState::new() }
    }
}

impl<T, const COUNT: usize> fmt::Debug for Shards<T, COUNT> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards").field("count", &COUNT).finish_non_exhaustive()
    }
}
