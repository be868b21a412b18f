//! The session handle that a request holds.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    state::{Phase, State},
    wait::Access,
};
use crate::{Error, Manager, Result, SessionId};

/// The session of one request: a set of items under string keys.
///
/// Opening a session does no I/O. When it uses the store depends on the storage's
/// [`Granularity`](crate::Granularity):
///
/// - A storage of whole sessions is read once, on first need, and written once, at
///   [`close`](Self::close). Only the changes made here are written, in one atomic step, so
///   concurrent requests that change different keys lose nothing.
/// - A storage of items is read or written by each operation, in one round trip each.
///
/// Every operation that uses the store fails with [`Error::Storage`] or [`Error::Timeout`] if the
/// store does, and a write with [`Error::Vanished`] if the session has ended or was renewed
/// meanwhile. Such a failure is kept, and later operations return it at once. The failure of a
/// write, also of one that follows a failed read, is reported by `close`, so that no request
/// succeeds whose changes are not stored. The failure of a read is the handler's to handle: a page
/// that can do without its session may show itself. The manager's timeout bounds the total time
/// that one session and its clones wait for the store. After `close`, every operation fails with
/// [`Error::Closed`].
///
/// Clones share one session. Dropping it without `close` discards changes not yet stored.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) manager: Manager,
    // A std mutex: never held across an await.
    pub(super) state: Mutex<State>,
    /// Held during a transition: first load, creation, renewal, end.
    // An async mutex, because transitions await the store. Every request locks it at least once,
    // and without contention this one is cheaper than Tokio's.
    pub(super) transition: futures_util::lock::Mutex<()>,
}

impl Session {
    /// Returns the session's id, or `None` if there is no session.
    ///
    /// There is no session before the first item is set, and after its end. A claimed id is
    /// verified first, which costs one round trip unless an earlier operation has done so. The id
    /// of a new session is final, but not stored before [`save`](Self::save) or `close`.
    ///
    /// # Errors
    ///
    /// As described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// assert_eq!(session.id().await?, None);
    /// session.set("name", "bob").await?;
    /// assert!(session.id().await?.is_some());
    /// # Ok(()) }
    /// ```
    pub async fn id(&self) -> Result<Option<SessionId>> {
        self.verify(Access::Read).await?;
        let needs_id = {
            let state = self.state();
            state.id().is_none() && state.sets_items() && state.new_id.is_none()
        };
        let new_id = needs_id.then(|| self.generate_id());
        let mut state = self.state();
        if state.new_id.is_none() {
            state.new_id = new_id;
        }
        let unstored = state.sets_items().then(|| state.new_id.clone()).flatten();
        Ok(if state.is_known() { state.id() } else { unstored })
    }

    /// Sets the id of a new session, which replaces any session that the client claims.
    ///
    /// Nothing is stored before the first item. If another session has this id by then, the write
    /// fails with [`Error::IdTaken`]. To continue an existing session, open it by its id.
    ///
    /// # Errors
    ///
    /// [`Error::Started`] if the session has been used already, as in GoFrame.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.set_id(SessionId::parse("basket-of-bob")?)?;
    /// session.set("name", "bob").await?;
    /// assert_eq!(session.id().await?, Some(SessionId::parse("basket-of-bob")?));
    /// assert!(matches!(session.set_id(SessionId::random()), Err(Error::Started)));
    /// # Ok(()) }
    /// ```
    pub fn set_id(&self, id: SessionId) -> Result<()> {
        let mut state = self.unused_state()?;
        state.phase = Phase::Absent;
        state.new_id = Some(id);
        Ok(())
    }

    /// Sets the function that generates the id of a new session.
    ///
    /// It is called only if a new session is created without [`set_id`](Self::set_id).
    ///
    /// # Errors
    ///
    /// [`Error::Started`] if the session has been used already, as in GoFrame.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.set_id_fn(|| {
    ///     let id = format!("guest-{}", SessionId::random().as_str());
    ///     SessionId::parse(&id).expect("letters, digits and - are allowed")
    /// })?;
    /// session.set("name", "bob").await?;
    /// assert!(session.id().await?.is_some_and(|id| id.as_str().starts_with("guest-")));
    /// # Ok(()) }
    /// ```
    pub fn set_id_fn(&self, id_fn: impl Fn() -> SessionId + Send + Sync + 'static) -> Result<()> {
        self.unused_state()?.id_fn = Some(Arc::new(id_fn));
        Ok(())
    }

    /// Returns whether this request has changed the session, stored or not.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// assert!(!session.is_dirty());
    /// session.set("name", "bob").await?;
    /// assert!(session.is_dirty());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        let state = self.state();
        state.stored || state.pending.is_some()
    }

    /// Makes the reads of this request not count as use of the session.
    ///
    /// For requests that no person has made, such as a page that polls: without it, an open page
    /// would keep an idle user logged in for ever. Writes still restart the time to live. Call it
    /// before the first read.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.passive();
    /// let unread = session.get_or("unread", 0).await?;
    /// # Ok(()) }
    /// ```
    pub fn passive(&self) {
        self.state().passive = true;
    }

    /// Returns the manager that opened this session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// let session = manager.open(None);
    /// assert_eq!(session.manager().ttl(), manager.ttl());
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.0.manager
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unused_state(&self) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.check(Access::Write)?;
        if state.used || state.stored || state.ended || state.pending.is_some() {
            return Err(Error::Started);
        }
        Ok(state)
    }

    /// Generates an id. Must not be called while the state is locked: the application's function
    /// may use this session.
    pub(super) fn generate_id(&self) -> SessionId {
        let id_fn = self.state().id_fn.clone();
        id_fn.map_or_else(|| self.0.manager.new_id(), |id_fn| id_fn())
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.state().id()).finish_non_exhaustive()
    }
}
