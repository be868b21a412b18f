//! Both Redis storages, and the connections they share.

mod address;
mod builder;
mod chart;
mod cluster;
mod confirm;
mod connection;
mod entry;
mod failure;
mod field;
mod gate;
mod guide;
mod hash_table;
mod key;
mod key_value;
mod large;
mod lines;
mod link;
mod near;
mod node;
mod operation;
mod script;
mod sentinel;
mod server;
mod supervisor;
#[cfg(feature = "redis-tls")]
mod tls;

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use tokio::{sync::watch, time::timeout};

use crate::{Error, Result, SessionId};
use builder::Place;
pub use builder::RedisBuilder;
use cluster::Cluster;
pub use hash_table::RedisHashTableStorage;
use key::Key;
pub use key_value::RedisKeyValueStorage;
use large::Large;
use near::NearCache;
pub use near::NearCacheStats;
use operation::Operation;
use supervisor::Target;

/// Redis, for one or both of the Redis storages: a single server, one that sentinels watch over,
/// or a cluster. Redis 6 or newer.
///
/// Each thread that uses it opens one connection to each server, on first need, and its requests
/// share that one. Once there are sessions of 256 KiB or more, a thread of its own reads and writes
/// them, so that nobody else has to wait for that. No server need be there: a connection that is lost is dialled again, without
/// end and off the path of the requests, which fail at once while their server is known to be
/// away. In a cluster only sessions in the slots of that server are concerned.
///
/// When a master fails over, requests for it fail until another one has been elected. What had
/// been acknowledged and not been replicated is lost then, unless
/// [`wait_replicas`](RedisBuilder::wait_replicas) closes that gap.
///
/// Cloning is cheap; when the last clone and the last storage made of it are gone, the
/// connections close. Used inside a Tokio runtime with its I/O and its clock enabled.
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

/// Boxed: it has a place in the future of every operation, and is seldom needed.
type Apart<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

struct Shared {
    /// Tells this handle from others in a thread's list of connections.
    number: u64,
    topology: Topology,
    near: Option<Arc<NearCache>>,
    prefix: String,
    response_timeout: Duration,
    wait_replicas: usize,
    large: Large,
    /// Dropped with the last handle, which ends the supervisors of all connections.
    owned: watch::Sender<()>,
}

enum Topology {
    /// One server has all keys.
    One(Arc<Target>),
    Cluster(Arc<Cluster>),
}

impl Redis {
    /// Starts from the URL of a single server:
    /// `redis://[[user]:password@]host[:port][/database]`, or `rediss://` with TLS.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Redis, RedisHashTableStorage, RedisKeyValueStorage};
    ///
    /// let redis = Redis::builder("redis://127.0.0.1:6379/0").build()?;
    /// // One server, both kinds of storage.
    /// let small = RedisKeyValueStorage::new(redis.clone());
    /// let large = RedisHashTableStorage::new(redis);
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn builder(url: impl Into<String>) -> RedisBuilder {
        RedisBuilder::at(Place::Single(url.into()))
    }

    /// Starts from the URLs of sentinels and the name of the master they watch over.
    ///
    /// A user and a password in a URL are the sentinel's own. With `rediss://`, TLS is spoken to
    /// the sentinels and to the servers.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Redis;
    ///
    /// # fn main() -> session_core::Result<()> {
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"];
    /// let redis = Redis::sentinel(sentinels, "mymaster").password("secret").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sentinel(
        urls: impl IntoIterator<Item = impl Into<String>>,
        master: impl Into<String>,
    ) -> RedisBuilder {
        let urls = urls.into_iter().map(Into::into).collect();
        RedisBuilder::at(Place::Sentinel { urls, master: master.into() })
    }

    /// Starts from the URLs of some nodes of a cluster; the others are found through them.
    ///
    /// With `rediss://`, TLS is spoken to all nodes.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Redis;
    ///
    /// # fn main() -> session_core::Result<()> {
    /// let redis = Redis::cluster(["redis://10.0.0.1:7000", "redis://10.0.0.2:7000"]).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> RedisBuilder {
        RedisBuilder::at(Place::Cluster(urls.into_iter().map(Into::into).collect()))
    }

    /// Returns what the near cache has done and holds; `None` if there is none.
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
        self.near().map(|near| near.stats())
    }

    fn near(&self) -> Option<&Arc<NearCache>> {
        self.0.near.as_ref()
    }

    /// Whether any two keys are on one server.
    fn is_one_server(&self) -> bool {
        matches!(self.0.topology, Topology::One(_))
    }

    /// Whether a session was lately seen to be large.
    fn has_large(&self, id: &SessionId) -> bool {
        self.0.large.has(id.as_str())
    }

    /// The same of one item of it.
    fn has_large_item(&self, id: &SessionId, key: &str) -> bool {
        let large = &self.0.large;
        large.is_any() && large.has(&large::item(id.as_str(), key))
    }

    /// Does `work` on a large session apart from everything else.
    fn apart<'a, T: Send + 'static>(
        &'a self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Apart<'a, T> {
        let done = self.0.large.apart(|| self.0.owned.subscribe(), work);
        // That thread may have too much to do.
        Box::pin(self.bounded(done))
    }

    /// Bounds an operation that is made of several, or done elsewhere.
    async fn bounded<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        timeout(self.0.response_timeout, work).await.unwrap_or(Err(Error::Timeout))
    }

    /// Begins one storage operation on one session; its time runs from here.
    fn operation<'a>(&'a self, id: &'a SessionId) -> Operation<'a> {
        Operation::begin(self, id)
    }

    fn key<'a>(&'a self, id: &'a SessionId) -> Key<'a> {
        Key { prefix: &self.0.prefix, id }
    }
}

/// Where it is, without a password.
impl fmt::Display for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(target) => target.server.fmt(f),
            Self::Cluster(cluster) => cluster.fmt(f),
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("server", &format_args!("{}", self.0.topology))
            .field("prefix", &self.0.prefix)
            .field("response_timeout", &self.0.response_timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn g8_what_is_done_apart_takes_no_longer_than_the_timeout() {
        let timeout = Duration::from_millis(300);
        let redis = Redis::builder("redis://localhost").response_timeout(timeout).build().unwrap();
        let began = tokio::time::Instant::now();
        let done = redis.apart(std::future::pending::<Result<()>>()).await;
        assert!(matches!(done, Err(Error::Timeout)), "{done:?}");
        assert_eq!(began.elapsed(), timeout);
    }
}
