//! What all operations of one handle share.

use std::{
    fmt,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{
    connection::Limits, key::Key, large::LargeValues, large_threads::LargeThreads, patience,
    topology::Servers,
};
use crate::{Error, Result};

/// The future of work on a thread for large values.
// Boxed: it is part of every operation's future, and rarely needed.
pub(crate) type LargeThreadFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// The servers of one handle and how they are used.
pub(crate) struct Client {
    /// Tells this client from others in a thread's list of connections.
    pub(super) number: u64,
    pub(super) servers: Servers,
    pub(super) limits: Limits,
    pub(super) wait_replicas: usize,
    pub(super) large: LargeValues,
    large_threads: LargeThreads,
    /// Dropped with the client, which ends the supervisors of all its connections.
    pub(super) owned: watch::Sender<()>,
}

impl Client {
    pub(crate) fn new(servers: Servers, limits: Limits, wait_replicas: usize) -> Self {
        static NUMBER: AtomicU64 = AtomicU64::new(0);

        Self {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            servers,
            limits,
            wait_replicas,
            large: LargeValues::default(),
            large_threads: LargeThreads::default(),
            owned: watch::Sender::new(()),
        }
    }

    /// Returns the upper bound on the duration of one operation.
    pub(crate) fn response_timeout(&self) -> Duration {
        self.limits.response_timeout
    }

    /// Returns whether one server holds all keys.
    pub(crate) fn is_single_server(&self) -> bool {
        matches!(self.servers, Servers::Single(_))
    }

    /// Returns whether the value at `key` was large when last seen.
    pub(crate) fn has_large(&self, key: Key<'_>) -> bool {
        self.large.has(key.id.as_str())
    }

    /// Returns whether one item of the value at `key` was large when last seen.
    pub(crate) fn has_large_item(&self, key: Key<'_>, item: &str) -> bool {
        self.large.has_item(key.id.as_str(), item)
    }

    /// Runs `work` on a thread for large values, within the response timeout.
    pub(crate) fn on_large_thread<'a, T: Send + 'static>(
        &'a self,
        work: impl Future<Output = Result<T>> + Send + 'static,
    ) -> LargeThreadFuture<'a, T> {
        let done = self.large_threads.run(|| self.owned.subscribe(), work);
        // Bounded here as well: that thread may be overloaded.
        Box::pin(self.bounded(done))
    }

    /// Bounds an operation that consists of several others, or runs on another thread.
    pub(crate) async fn bounded<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let deadline = Instant::now() + self.limits.response_timeout;
        patience::until(deadline, work).await.unwrap_or(Err(Error::Timeout))
    }
}

/// Shows where the servers are, without a password.
impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.servers.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Redis;

    #[tokio::test(start_paused = true)]
    async fn g8_work_on_the_thread_for_large_values_takes_no_longer_than_the_timeout() {
        let timeout = Duration::from_millis(300);
        let redis = Redis::builder("redis://localhost").response_timeout(timeout).build().unwrap();
        let began = tokio::time::Instant::now();
        let done = redis.client().on_large_thread(std::future::pending::<Result<()>>()).await;
        assert!(matches!(done, Err(Error::Timeout)), "{done:?}");
        assert_eq!(began.elapsed(), timeout);
    }
}
