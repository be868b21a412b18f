//! The session that a handler holds.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use super::state::{Phase, State};
use crate::{Error, Manager, Result, SessionId};

/// The session of one request: items under keys, of which others see all changes or none.
///
/// Opening it costs nothing; the store is asked on first need. What *first need* means depends
/// on the storage's [`Granularity`](crate::Granularity): a storage of whole sessions is read once
/// and written once, at [`close`](Self::close), with just the changes made here, so that
/// concurrent requests which change different keys lose nothing. A storage of items is asked
/// for each operation, one round trip each, and written at once.
///
/// Every operation that asks the store fails with [`Error::Storage`] or [`Error::Timeout`] if the
/// store does, and with [`Error::Vanished`] if the session was ended meanwhile. Such a failure is
/// remembered: later operations answer it again at once and `close` reports it, so that nothing
/// is acknowledged which is not stored. All waiting for the store, over all operations of one
/// session value and its clones, is bounded by the manager's timeout. After `close` every
/// operation fails with [`Error::Closed`].
///
/// Clones are the same session. Dropping without `close` discards changes not yet stored.
#[derive(Clone)]
pub struct Session(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) manager: Manager,
    // A std mutex: never held across an await.
    pub(super) state: Mutex<State>,
    /// Held during a transition: first load, creation, renewal, end.
    // An async mutex, because the store is asked meanwhile. Every request locks it at least once,
    // and this one costs less than Tokio's while it is free.
    pub(super) transition: futures_util::lock::Mutex<()>,
}

impl Session {
    /// Returns the session's id, or `None` while there is no session: before the first item, and
    /// after the end.
    ///
    /// A claimed id is proven first, which asks the store once if nothing has yet. The id of a
    /// new session is free to be told but not stored before `close` (or [`save`](Self::save)).
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
        self.prove().await?;
        let mut state = self.state();
        if state.id().is_none() && state.sets_items() && state.chosen.is_none() {
            state.chosen = Some(self.fresh_id(&state));
        }
        let promised = state.sets_items().then(|| state.chosen.clone()).flatten();
        Ok(if state.is_known() { state.id() } else { promised })
    }

    /// Chooses the id that the new session is to have, in place of any id the client claims.
    ///
    /// Nothing is stored before the first item is. If another session has this id by then, the
    /// write fails with [`Error::IdTaken`]; to go on with a session that exists, open it by its
    /// id.
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
        let mut state = self.not_started()?;
        state.phase = Phase::Absent;
        state.chosen = Some(id);
        Ok(())
    }

    /// Chooses how a new session's id is made, if one is needed. An id chosen by
    /// [`set_id`](Self::set_id) is preferred.
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
        self.not_started()?.id_fn = Some(Arc::new(id_fn));
        Ok(())
    }

    /// Whether this request has changed the session, stored or not.
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

    /// Returns the time left before the session expires if it is not used again, or `None` if
    /// there is none.
    ///
    /// Asking does not restart that time. One round trip.
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
    /// assert_eq!(session.expires_in().await?, None);
    /// session.set("name", "bob").await?;
    /// session.save().await?;
    /// assert!(session.expires_in().await?.is_some_and(|left| left <= manager.ttl()));
    /// # Ok(()) }
    /// ```
    pub async fn expires_in(&self) -> Result<Option<Duration>> {
        let Some(id) = self.checked_id()? else { return Ok(None) };
        let left = self.ask(self.storage().expires_in(&id)).await?;
        Ok(left.map(|left| left.max(self.0.manager.remaining(&id).unwrap_or_default())))
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

    fn not_started(&self) -> Result<MutexGuard<'_, State>> {
        let state = self.state();
        state.check()?;
        if state.used || state.stored || state.ended || state.pending.is_some() {
            return Err(Error::Started);
        }
        Ok(state)
    }

    pub(super) fn fresh_id(&self, state: &State) -> SessionId {
        match &state.id_fn {
            Some(id_fn) => id_fn(),
            None => self.0.manager.new_id(),
        }
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("id", &self.state().id()).finish_non_exhaustive()
    }
}
