//! The manager that an application holds.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{Notify, watch},
    time::{Instant, timeout},
};

use super::touch_queue::TouchQueue;
use crate::{SessionId, Storage};

/// Makes the id of a new session. Must not make an id twice.
pub(crate) type IdFn = Arc<dyn Fn() -> SessionId + Send + Sync>;

/// Opens sessions, and keeps their times to live in step with their use.
///
/// One per storage and process, shared by cloning. It writes times to live and sweeps in
/// background tasks on the runtime it was built on; they end with the last clone.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "memory")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::{sync::Arc, time::Duration};
/// use session_core::{Manager, MemoryStorage};
///
/// let manager = Manager::builder(MemoryStorage::new())
///     .ttl(Duration::from_secs(30 * 60))
///     .build()?;
/// let session = manager.open(None);
/// session.set("name", "bob").await?;
/// session.close().await;
/// # Ok::<(), session_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Manager(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) ttl: Duration,
    pub(super) touch_interval: Duration,
    pub(super) timeout: Duration,
    pub(super) id_fn: IdFn,
    pub(super) touches: TouchQueue,
    /// Wakes the background task when a write is owed at once.
    pub(super) owed: Arc<Notify>,
    pub(super) unknown_claims: AtomicU64,
    /// Closes with the last manager, which ends the background tasks.
    pub(super) alive: watch::Sender<()>,
}

impl Manager {
    /// Returns the storage.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// // Beside the sessions of requests: does this one still exist?
    /// let id = SessionId::random();
    /// assert_eq!(manager.storage().expires_in(&id).await?, None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn storage(&self) -> &dyn Storage {
        &*self.0.storage
    }

    /// Returns how long a session lives after its last use.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// assert_eq!(manager.ttl().as_secs(), 24 * 60 * 60);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn ttl(&self) -> Duration {
        self.0.ttl
    }

    /// Returns the interval within which at most one time to live is written per session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// assert_eq!(manager.touch_interval().as_secs(), 10);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn touch_interval(&self) -> Duration {
        self.0.touch_interval
    }

    /// Returns how long one open session may wait for the store, all its operations together.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// assert_eq!(manager.timeout().as_secs(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.0.timeout
    }

    /// Counts the ids so far that were claimed and proved unknown: expired, ended or invented.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// let session = manager.open(Some(SessionId::parse("invented")?));
    /// assert_eq!(session.data().await?, None);
    /// assert_eq!(manager.unknown_claims(), 1);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn unknown_claims(&self) -> u64 {
        self.0.unknown_claims.load(Ordering::Relaxed)
    }

    /// Returns whether the storage answers within the manager's timeout.
    ///
    /// Asks for a session that does not exist: one round trip. Made for a readiness probe; a
    /// liveness probe should not depend on the store.
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
        let id = SessionId::random();
        let answer = timeout(self.0.timeout, self.0.storage.expires_in(&id)).await;
        matches!(answer, Ok(Ok(_)))
    }

    pub(crate) fn new_id(&self) -> SessionId {
        (self.0.id_fn)()
    }

    /// A session was used. Returns whether a persistent cookie is to be sent again.
    pub(crate) fn note_used(&self, id: &SessionId) -> bool {
        let used = self.0.touches.used(id);
        if used.urgent {
            self.0.owed.notify_one();
        }
        used.roll
    }

    /// A write that began at `since` has restarted a session's time to live.
    pub(crate) fn note_stored(&self, id: &SessionId, since: Instant) {
        self.0.touches.stored(id, since);
    }

    /// A session has ended.
    pub(crate) fn note_ended(&self, id: &SessionId) {
        self.0.touches.forget(id);
    }

    /// A claimed id proved unknown.
    pub(crate) fn note_unknown(&self, id: &SessionId) {
        self.0.unknown_claims.fetch_add(1, Ordering::Relaxed);
        log::debug!("session {id:?} is unknown to the {:?}", self.0.storage);
    }

    /// The time left to a session by what this process knows of its use.
    pub(crate) fn remaining(&self, id: &SessionId) -> Option<Duration> {
        self.0.touches.remaining(id)
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("storage", &self.0.storage)
            .field("ttl", &self.0.ttl)
            .field("touch_interval", &self.0.touch_interval)
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}
