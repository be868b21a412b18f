//! The manager handle that an application holds.

use std::{
    fmt,
    ops::Deref,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{
    background::Background,
    failure_log::FailureLog,
    touch_queue::{Facts, TouchQueue},
    turns::{Turn, Turns},
    users::WhenFull,
};
use crate::{ClaimRefusal, Event, EventSession, Lifetime, SessionId, Storage, events::Events};

/// Generates the id of a new session. Must not return an id twice.
pub(crate) type IdFn = Arc<dyn Fn() -> SessionId + Send + Sync>;

/// Opens sessions and extends their times to live when they are used.
///
/// A process needs one manager per storage and shares it by cloning. Background tasks on the
/// runtime that built it write times to live and sweep expired sessions. They end with the last
/// clone. If that runtime ends before, the next use of a session starts them on its own.
///
/// # Examples
///
/// ```
/// # #[cfg(feature = "memory")]
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// use std::time::Duration;
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
pub struct Manager(pub(super) Arc<OfWorker>);

/// What the clones of one handle share. Each open session holds a clone, so this is counted with
/// every request; what all workers share is not.
pub(super) struct OfWorker(pub(super) Arc<Shared>);

impl Deref for OfWorker {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

pub(super) struct Shared {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) lifetime: Lifetime,
    pub(super) touch_interval: Duration,
    pub(super) grace: Duration,
    pub(super) renew_after: Option<Duration>,
    pub(super) timeout: Duration,
    pub(super) id_fn: IdFn,
    pub(super) touches: Arc<TouchQueue>,
    pub(super) background: Background,
    pub(super) events: Events,
    /// Whether a session with a time to live of its own was seen.
    pub(super) has_own_ttls: AtomicBool,
    pub(super) unknown_claims: AtomicU64,
    pub(super) failures: FailureLog,
    pub(super) turns: Turns,
    pub(super) max_per_user: Option<(usize, WhenFull)>,
}

impl Manager {
    /// Returns another handle of the same manager, for one of several threads.
    ///
    /// Every open session counts as a reference to the handle that it was opened with. Threads that
    /// share one handle all write that count, and with many threads wait for each other's cache
    /// lines. Threads with a handle each share nothing that they write, except the entries of a
    /// session that they all use. The middleware of `session-actix` does this for its workers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main] async fn main() -> Result<()> {
    /// let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// let workers: Vec<_> = (0..4).map(|_| manager.for_worker()).collect();
    /// let session = workers[0].open(None);
    /// session.set("name", "bob").await?;
    /// let id = session.id().await?;
    /// session.close().await;
    /// assert!(workers[1].open(id).contains("name").await?);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn for_worker(&self) -> Self {
        Self(Arc::new(OfWorker(self.0.0.clone())))
    }

    /// Returns the storage.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// // Check whether a session still exists, outside of its requests.
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
        self.0.lifetime.ttl
    }

    /// Returns how long a session lives from its creation, if that is limited.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// assert_eq!(manager.absolute_ttl(), None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn absolute_ttl(&self) -> Option<Duration> {
        self.0.lifetime.absolute
    }

    /// Returns after which time a session's id is renewed by itself, if it is.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// assert_eq!(manager.renew_after(), None);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn renew_after(&self) -> Option<Duration> {
        self.0.renew_after
    }

    /// Returns the minimum time between two TTL writes for a session that is only read.
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

    /// Returns how long a renewed id is remembered.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// assert_eq!(manager.grace().as_secs(), 30);
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn grace(&self) -> Duration {
        self.0.grace
    }

    /// Returns how long one open session may wait for the store, over all its operations together.
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

    /// Returns how many claimed ids were unknown to the store so far: expired, ended or invented.
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

    /// Waits for the turn to change an item that other requests of this process change as well.
    pub(crate) async fn turn(&self, id: &SessionId) -> Turn<'_> {
        self.0.turns.take(id).await
    }

    /// Tells the listener. Not under a lock, because it may call the manager.
    pub(crate) fn emit(&self, event: Event<'_>) {
        self.0.events.emit(event);
    }

    /// Tells the listener that the store was not asked about an id that a client has sent.
    ///
    /// For the integration with a web framework, which reads the ids.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// if SessionId::parse("../passwd").is_err() {
    ///     manager.refuse_claim(ClaimRefusal::Malformed);
    /// }
    /// # Ok(()) }
    /// ```
    pub fn refuse_claim(&self, reason: ClaimRefusal) {
        self.emit(Event::RefusedClaim { reason });
    }

    /// Writes the times to live that are still owed to the store.
    ///
    /// Await it at shutdown, after the last request. Without it, a session used shortly before may
    /// expire early, by up to one touch interval. Each write is bounded by the timeout, and one
    /// that fails does not stop the others. If the store is down, only failures come: after eight
    /// of them no other write starts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// // When the server shuts down.
    /// manager.flush().await;
    /// # Ok(()) }
    /// ```
    pub async fn flush(&self) {
        self.0.background.writer.flush().await;
    }

    pub(crate) fn new_id(&self) -> SessionId {
        (self.0.id_fn)()
    }

    /// Returns how long sessions live.
    pub(crate) fn lifetime(&self) -> Lifetime {
        self.0.lifetime
    }

    /// Returns whether sessions need to note when they were created.
    pub(crate) fn needs_creation(&self) -> bool {
        self.0.lifetime.absolute.is_some() || self.0.renew_after.is_some()
    }

    /// Returns whether the metadata of sessions matters.
    pub(crate) fn needs_metadata(&self) -> bool {
        self.needs_creation() || self.0.has_own_ttls.load(Ordering::Relaxed)
    }

    /// Records that a session has a time to live of its own.
    pub(crate) fn note_own_ttl(&self) {
        // Read first: a shared cache line that nobody writes costs nothing.
        if !self.0.has_own_ttls.load(Ordering::Relaxed) {
            self.0.has_own_ttls.store(true, Ordering::Relaxed);
        }
    }

    /// Records that a session was used now. Returns whether to send a persistent cookie again.
    pub(crate) fn note_used(&self, id: &SessionId, now: Instant, facts: Facts<'_>) -> bool {
        let roll = self.0.touches.used(id, now, facts);
        self.0.background.ensure_running();
        roll
    }

    /// Records that a write begun at `since` has restarted a session's time to live.
    pub(crate) fn note_stored(&self, id: &SessionId, since: Instant, facts: Facts<'_>) {
        self.0.touches.stored(id, since, facts);
    }

    /// Returns whether a session that requests only write to is to be looked at.
    pub(crate) fn is_look_due(&self, id: &SessionId) -> bool {
        self.0.touches.look(id, Instant::now())
    }

    /// Records that a session has ended.
    pub(crate) fn note_ended(&self, id: &SessionId) {
        self.0.touches.ended(id);
    }

    /// Records that a claimed id is unknown to the store.
    pub(crate) fn note_unknown(&self, id: &SessionId) {
        self.0.unknown_claims.fetch_add(1, Ordering::Relaxed);
        self.emit(Event::UnknownClaim {
            session: EventSession::new(id, self.storage()),
            storage: &*self.0.storage,
        });
    }

    /// Returns how long a session still lives, counted from its last use in this process.
    pub(crate) fn remaining(&self, id: &SessionId) -> Option<Duration> {
        self.0.touches.remaining(id)
    }
}

impl fmt::Debug for Manager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manager")
            .field("storage", &self.0.storage)
            .field("lifetime", &self.0.lifetime)
            .field("touch_interval", &self.0.touch_interval)
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, feature = "memory"))]
mod tests {
    use super::*;
    use crate::MemoryStorage;

    #[tokio::test]
    async fn sessions_of_a_worker_count_as_references_of_its_own_handle() {
        let manager = Manager::builder(MemoryStorage::new()).build().unwrap();
        let workers = [manager.for_worker(), manager.for_worker()];
        let references = || Arc::strong_count(&manager.0.0);
        let before = references();
        let sessions: Vec<_> = workers.iter().map(|worker| worker.open(None)).collect();
        for session in &sessions {
            session.set("a", 1).await.unwrap();
            assert_eq!(references(), before);
            assert!(session.close().await.failure.is_none());
        }
        assert!(workers.iter().all(|worker| Arc::strong_count(&worker.0) == 2));
        assert_eq!(references(), before);
    }
}
