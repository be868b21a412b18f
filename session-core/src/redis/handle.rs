//! The handle of a user.

use std::{fmt, sync::Arc};

use super::{
    client::{Client, Key, Operation},
    storage::{NearCache, NearCacheStats},
};
use crate::SessionId;

/// A connection to Redis for one or both Redis storages: to a single server, to the master of a
/// group of sentinels, or to a cluster. Redis 6 or newer.
///
/// Each thread opens one connection to each server on first need, and its requests share that
/// connection. A thread that gets none, because the server or
/// [`max_connections`](super::RedisBuilder::max_connections) allows no more, uses those of others.
/// Once sessions of 256 KiB or more are seen, separate threads read and write them, so that they do
/// not delay others. The servers need not be up: a lost connection is dialled again in the
/// background for as long as it takes. Meanwhile requests for that server fail at once; in a
/// cluster these are only the requests for sessions in its slots.
///
/// When a master fails over, requests for it fail until another one has been elected. Writes that
/// were acknowledged and not yet replicated are lost then;
/// [`wait_replicas`](super::RedisBuilder::wait_replicas) closes that gap.
///
/// Cloning is cheap. The connections close when the last clone and the last storage made from it
/// are gone. It must be used inside a Tokio runtime with I/O and time enabled.
///
/// # Examples
///
/// ```
/// use session_core::{Redis, RedisKeyValueStorage};
///
/// # fn main() -> session_core::Result<()> {
/// let redis = Redis::builder("redis://127.0.0.1:6379").prefix("shop:").build()?;
/// let storage = RedisKeyValueStorage::new(redis);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    client: Client,
    near_cache: Option<Arc<NearCache>>,
    prefix: String,
}

impl Redis {
    pub(super) fn new(client: Client, near_cache: Option<Arc<NearCache>>, prefix: String) -> Self {
        Self(Arc::new(Shared { client, near_cache, prefix }))
    }

    /// Returns statistics of the near cache, or `None` if there is no near cache.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://127.0.0.1").near_cache(16 << 20).build()?;
    /// assert_eq!(redis.near_cache_stats().map(|stats| stats.hits), Some(0));
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[must_use]
    pub fn near_cache_stats(&self) -> Option<NearCacheStats> {
        self.near_cache().map(|cache| cache.stats())
    }

    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    pub(super) fn near_cache(&self) -> Option<&Arc<NearCache>> {
        self.0.near_cache.as_ref()
    }

    pub(super) fn prefix(&self) -> &str {
        &self.0.prefix
    }

    /// Returns the key that a session is stored under.
    pub(super) fn key<'a>(&'a self, id: &'a SessionId) -> Key<'a> {
        Key { prefix: &self.0.prefix, id }
    }

    /// Begins an operation on one session. Its time runs from here.
    pub(super) fn operation<'a>(&'a self, id: &'a SessionId) -> Operation<'a> {
        Operation::begin(self.client(), self.key(id))
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("server", &format_args!("{}", self.0.client))
            .field("prefix", &self.0.prefix)
            .field("response_timeout", &self.0.client.response_timeout())
            .finish_non_exhaustive()
    }
}
