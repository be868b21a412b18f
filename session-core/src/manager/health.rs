//! Whether the store works: readiness, and the failures of operations.

use tokio::time::timeout;

use super::{failure_log::StoreFailure, handle::Manager};
use crate::{Error, Event, FailureClass, Result, SessionId, StoreOperation};

impl Manager {
    /// Returns whether the storage answers within the manager's timeout, and takes the times to
    /// live that are owed to it.
    ///
    /// [`check`](Self::check) says why not. Meant for a readiness probe; a liveness probe should
    /// not depend on the store.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// assert!(manager.is_ready().await);
    /// # Ok(()) }
    /// ```
    pub async fn is_ready(&self) -> bool {
        self.check().await.is_ok()
    }

    /// Checks whether the storage answers and takes the times to live that are owed to it.
    ///
    /// Reads the time to live of a session that does not exist: one round trip. A store that is
    /// full or read-only answers it; [`last_failure`](Self::last_failure) tells of the writes.
    ///
    /// # Errors
    ///
    /// [`Error::Timeout`](crate::Error::Timeout) if it does not answer within the manager's
    /// timeout; otherwise [`Error::Storage`](crate::Error::Storage) with the reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// if let Err(error) = manager.check().await {
    ///     eprintln!("sessions are not available: {error}");
    /// }
    /// # Ok(()) }
    /// ```
    pub async fn check(&self) -> Result<()> {
        let id = SessionId::random();
        let answer = timeout(self.0.timeout, self.0.storage.expires_in(&id)).await;
        answer.unwrap_or(Err(Error::Timeout))?;
        match self.0.background.writer.blocked() {
            Some(reason) => Err(Error::storage("times to live cannot be written", reason)),
            None => Ok(()),
        }
    }

    /// Returns the latest failure of an operation on a session. `None` if there was none, or
    /// operations have succeeded for ten seconds since.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// assert_eq!(manager.last_failure(), None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn last_failure(&self) -> Option<StoreFailure> {
        self.0.failures.last()
    }

    /// Records what an operation on a session has failed with, or that it has succeeded.
    pub(crate) fn note_result<T>(&self, operation: StoreOperation, result: &Result<T>) {
        match result {
            Ok(_) if self.0.failures.is_over() => {
                self.emit(Event::StoreRecovered { operation });
            }
            Ok(_) => {}
            Err(error) => self.note_failure(operation, error),
        }
    }

    #[cold]
    fn note_failure(&self, operation: StoreOperation, error: &Error) {
        let Some(class) = FailureClass::of(error) else { return };
        let (reason, is_new) = self.0.failures.failed(error);
        self.emit(Event::StoreFailed { operation, class, reason: &reason, is_new });
    }
}
