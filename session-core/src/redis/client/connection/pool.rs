//! The open connections of all threads to one server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::multiplexed::Connection;

/// The open connections of one role, for threads that have none of their own.
pub(super) struct Pool {
    // A std mutex: a few vector operations, never held across an await.
    open: Mutex<Vec<Connection>>,
    /// One for each connection that may be open. `None` without a limit.
    permits: Option<Arc<Semaphore>>,
}

/// An open connection in a pool, until it is dropped.
pub(super) struct Pooled<'a> {
    pool: &'a Pool,
    epoch: u64,
}

impl Pool {
    pub(super) fn new(limit: Option<usize>) -> Self {
        let permits = limit.map(|limit| Arc::new(Semaphore::new(limit)));
        Self { open: Mutex::default(), permits }
    }

    /// Returns the right to open a connection, or `Err` with the permits to wait for one.
    pub(super) fn permit(&self) -> Result<Option<OwnedSemaphorePermit>, Arc<Semaphore>> {
        let Some(permits) = &self.permits else { return Ok(None) };
        permits.clone().try_acquire_owned().map(Some).map_err(|_| permits.clone())
    }

    pub(super) fn add(&self, connection: Connection) -> Pooled<'_> {
        let epoch = connection.epoch();
        self.lock().push(connection);
        Pooled { pool: self, epoch }
    }

    /// Returns an open connection other than the `broken` one. `start` spreads the threads over
    /// the connections.
    pub(super) fn any(&self, start: usize, broken: u64) -> Option<Connection> {
        let open = self.lock();
        let from = start.checked_rem(open.len())?;
        let in_turn = open[from..].iter().chain(&open[..from]);
        in_turn.into_iter().find(|one| one.epoch() != broken && !one.is_lost()).cloned()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().iter().all(Connection::is_lost)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Pooled<'_> {
    fn drop(&mut self) {
        self.pool.lock().retain(|open| open.epoch() != self.epoch);
    }
}
