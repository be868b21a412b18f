//! Where sessions are opened.

mod builder;
mod keeper;
mod touch;

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

pub use self::builder::ManagerBuilder;
use self::touch::Book;
use crate::{Session, SessionId, Storage};

/// Makes the id of a new session. Two sessions never have the same one.
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
/// let manager = Manager::builder(Arc::new(MemoryStorage::new()))
///     .ttl(Duration::from_secs(30 * 60))
///     .build()?;
/// let session = manager.open(None);
/// session.set("name", "bob").await?;
/// session.close().await;
/// # Ok::<(), session_core::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Manager(Arc<Shared>);

struct Shared {
    storage: Arc<dyn Storage>,
    ttl: Duration,
    touch_interval: Duration,
    timeout: Duration,
    id_fn: IdFn,
    book: Book,
    /// Tells the keeper that a write is owed at once.
    owed: Arc<Notify>,
    unknown_claims: AtomicU64,
    /// Closes with the last manager, which ends the background tasks.
    _alive: watch::Sender<()>,
}

impl Manager {
    /// Starts to set up a manager.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// let storage = Arc::new(MemoryStorage::new());
    /// let manager = Manager::builder(storage).build()?;
    /// # Ok(()) }
    /// ```
    pub fn builder(storage: Arc<dyn Storage>) -> ManagerBuilder {
        ManagerBuilder::new(storage)
    }

    /// Opens the session with this id, or one that is new. No I/O.
    ///
    /// The id is a claim. The session's first use finds out whether it is true; if it is not,
    /// the id is never adopted, and what is then set starts a session under a fresh id.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(Arc::new(MemoryStorage::new())).build()?;
    /// let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// let id = session.id().await?;
    /// session.close().await;
    ///
    /// // The next request of the same client.
    /// let session = manager.open(id);
    /// assert_eq!(session.get::<String>("name").await?.as_deref(), Some("bob"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn open(&self, id: Option<SessionId>) -> Session {
        Session::open(self.clone(), id)
    }

    /// Returns the storage.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(Arc::new(MemoryStorage::new())).build()?;
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
    /// # use std::sync::Arc;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(Arc::new(MemoryStorage::new())).build()?;
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
    /// # use std::sync::Arc;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(Arc::new(MemoryStorage::new())).build()?;
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
    /// # use std::sync::Arc;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(Arc::new(MemoryStorage::new())).build()?;
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
    /// # use std::sync::Arc;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(Arc::new(MemoryStorage::new())).build()?;
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
    /// # use std::sync::Arc;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(Arc::new(MemoryStorage::new())).build()?;
    /// assert!(manager.is_ready().await);
    /// # Ok(()) }
    /// ```
    pub async fn is_ready(&self) -> bool {
        let id = SessionId::random();
        let answer = timeout(self.0.timeout, self.0.storage.expires_in(&id)).await;
        matches!(answer, Ok(Ok(_)))
    }

    /// Writes the times to live that are still owed to the store. To be awaited at shutdown,
    /// after the last request.
    ///
    /// Without it a session used within the last touch interval may expire by that much too
    /// early. Each write is bounded by the timeout; the first that fails ends it, since the store
    /// is then out of reach.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(Arc::new(MemoryStorage::new())).build()?;
    /// // ... the server runs, and ends:
    /// manager.flush().await;
    /// # Ok(()) }
    /// ```
    pub async fn flush(&self) {
        self.0.flush().await;
    }

    pub(crate) fn new_id(&self) -> SessionId {
        (self.0.id_fn)()
    }

    /// A session was used. Returns whether a persistent cookie is to be sent again.
    pub(crate) fn note_used(&self, id: &SessionId) -> bool {
        let used = self.0.book.used(id);
        if used.urgent {
            self.0.owed.notify_one();
        }
        used.roll
    }

    /// A write that began at `since` has restarted a session's time to live.
    pub(crate) fn note_stored(&self, id: &SessionId, since: Instant) {
        self.0.book.stored(id, since);
    }

    /// A session has ended.
    pub(crate) fn note_ended(&self, id: &SessionId) {
        self.0.book.forget(id);
    }

    /// A claimed id proved unknown.
    pub(crate) fn note_unknown(&self, id: &SessionId) {
        self.0.unknown_claims.fetch_add(1, Ordering::Relaxed);
        log::debug!("session {id:?} is unknown to the {:?}", self.0.storage);
    }

    /// The time left to a session by what this process knows of its use.
    pub(crate) fn remaining(&self, id: &SessionId) -> Option<Duration> {
        self.0.book.remaining(id)
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
