//! Whose session it is.

use std::{
    slice,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tokio::time::Instant;

use super::{handle::Session, state::Failure, wait::Access};
use crate::{
    Changes, Error, Event, EventSession, Result, SessionId,
    lifetime::now_millis,
    snapshot::{Login, Meta, MetaChange},
};

/// The longest name of a user, in bytes. The scripts in Redis look for metadata at the beginning of
/// a session.
const MAX_USER: usize = 255;

impl Session {
    /// Makes this the session of a user, under a new id, as OWASP requires.
    ///
    /// The name is what the application knows the user by, such as a number or an address: 1 to 255
    /// bytes without control characters. The items stay, unless another user is logged in: then the
    /// session ends, and a new one begins. A login of the same user again renews the id and the
    /// [time](Self::authenticated_at), as for re-authentication.
    ///
    /// Stored when it returns. Costs as many round trips as [`regenerate_id`](Self::regenerate_id),
    /// and two more: one for the index of users, if the storage has one, and one for the session.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidUser`] for another name; [`Error::TooManySessions`] if the user has as many
    /// sessions as are [allowed](crate::ManagerBuilder::max_sessions_per_user) and further logins
    /// are refused; otherwise as described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// // The password is right.
    /// session.login("bob").await?;
    /// assert_eq!(session.user().await?.as_deref(), Some("bob"));
    /// # Ok(()) }
    /// ```
    pub async fn login(&self, user: &str) -> Result<()> {
        if user.is_empty() || user.len() > MAX_USER || user.chars().any(char::is_control) {
            return Err(Error::InvalidUser);
        }
        let before = self.known_login().await?.map(|login| login.user);
        let is_again = before.as_deref() == Some(user);
        if before.is_some() && !is_again {
            self.logout().await?;
        }
        self.regenerate_id().await?;
        // It exists before its entry in the index, so whoever finds the entry can end it.
        let (id, is_new) = self.begin().await?;
        let (began, now) = (Instant::now(), now_millis());
        // The renewal has added the entry of the user's own session.
        let is_entered = is_again && !is_new;
        if !is_entered && !self.enter(user, &id).await? {
            if is_new {
                self.remove_all().await?;
            }
            return Err(Error::TooManySessions);
        }
        let login = Login { user: user.into(), at: now }.to_json();
        let change = MetaChange { created: Some(now), login: Some(login), ..MetaChange::default() };
        let changes = Changes::of_meta(change.clone());
        {
            let _transition = self.transition(Access::Write).await?;
            self.store_locked(&changes).await?;
            self.state().note_changed(&change);
        }
        {
            let state = self.state();
            self.manager().note_stored(&id, began, state.facts());
            self.manager().note_indexed(&id, began);
        }
        self.manager().emit(Event::LoggedIn { session: EventSession::new(&id, self.storage()) });
        self.wait_for(Access::Write, self.manager().end_oldest(user)).await
    }

    /// Ends the session of a user, like [`remove_all`](Self::remove_all), and its entry in the
    /// index of users.
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
    /// session.login("bob").await?;
    /// session.logout().await?;
    /// assert_eq!(session.user().await?, None);
    /// # Ok(()) }
    /// ```
    pub async fn logout(&self) -> Result<()> {
        self.known_login().await?;
        self.remove_all().await
    }

    /// Returns whose session it is, or `None` if it is nobody's or there is no session.
    ///
    /// Is a use of the session, like the read of an item, and costs as much.
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
    /// assert_eq!(session.user().await?, None);
    /// # Ok(()) }
    /// ```
    pub async fn user(&self) -> Result<Option<String>> {
        Ok(self.known_login().await?.map(|login| login.user.into()))
    }

    /// Returns when the user has logged in, or `None` if it is nobody's session.
    ///
    /// For pages that ask for the password again, if that was long ago. Costs as much as
    /// [`user`](Self::user).
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
    /// use std::time::Duration;
    ///
    /// session.login("bob").await?;
    /// let at = session.authenticated_at().await?.expect("bob has logged in");
    /// assert!(at.elapsed().is_ok_and(|ago| ago < Duration::from_secs(15 * 60)));
    /// # Ok(()) }
    /// ```
    pub async fn authenticated_at(&self) -> Result<Option<SystemTime>> {
        let login = self.known_login().await?;
        Ok(login.map(|login| UNIX_EPOCH + Duration::from_millis(login.at)))
    }

    /// Returns what can be shown in place of the session's id, or `None` if there is no session.
    ///
    /// It tells which of the [sessions of a user](crate::Manager::sessions_of) this is.
    ///
    /// # Errors
    ///
    /// As [`id`](Self::id).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// assert_eq!(session.fingerprint().await?, None);
    /// # Ok(()) }
    /// ```
    pub async fn fingerprint(&self) -> Result<Option<String>> {
        Ok(self.id().await?.map(|id| self.storage().stored_id(&id).fingerprint()))
    }

    /// Ends all other sessions of the user, as after a change of password. Returns how many have
    /// ended.
    ///
    /// This one stays, even if another request renews its id at this moment. Does nothing if it is
    /// nobody's session. Costs a read of each session of the user, and two round trips for each
    /// that ends, several at once.
    ///
    /// # Errors
    ///
    /// As [`Manager::sessions_of`](crate::Manager::sessions_of), and as described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let [session, stolen] = [manager.open(None), manager.open(None)];
    /// session.login("bob").await?;
    /// stolen.login("bob").await?;
    /// // The user has changed the password.
    /// assert_eq!(session.end_others().await?, 1);
    /// assert_eq!(session.user().await?.as_deref(), Some("bob"));
    /// # Ok(()) }
    /// ```
    #[doc(alias = "logoutOtherDevices")]
    pub async fn end_others(&self) -> Result<usize> {
        let Some(user) = self.user().await? else { return Ok(0) };
        let Some(id) = self.id().await? else { return Ok(0) };
        self.manager().end_others_of(&user, &id).await
    }

    async fn known_login(&self) -> Result<Option<Login>> {
        if self.is_whole() {
            self.load(Access::Read).await?;
        }
        let meta = self.metadata_as_use().await?;
        Ok(meta.and_then(|meta| meta.login().cloned()))
    }

    /// Stores a session, if there is none yet. Returns its id, and whether it begins here.
    async fn begin(&self) -> Result<(SessionId, bool)> {
        let _transition = self.transition(Access::Write).await?;
        self.save_locked().await?;
        let is_known = self.state().is_known();
        if !is_known {
            let created = Some(now_millis());
            let begins = MetaChange { created, begins: true, ..MetaChange::default() };
            self.store_locked(&Changes::of_meta(begins.clone())).await?;
            self.state().note_changed(&begins);
        }
        let id = self.checked_id(Access::Write)?.ok_or(Error::Vanished)?;
        Ok((id, !is_known))
    }

    /// Adds the session to the index of users. Returns whether the user may have one more.
    async fn enter(&self, user: &str, id: &SessionId) -> Result<bool> {
        let Some(index) = self.storage().users() else { return Ok(true) };
        let entry = self.manager().new_entry(self.state().own_ttl());
        let limited = entry.max_others(self.manager().max_others());
        if self.wait_for(Access::Write, index.add(user, id, limited)).await? {
            return Ok(true);
        }
        // Entries without a session do not count: those of a process that died, or of sessions that
        // were removed by hand.
        let cleared = self.wait_for(Access::Write, self.manager().remove_stale(user));
        Box::pin(cleared).await?;
        self.wait_for(Access::Write, index.add(user, id, limited)).await
    }

    /// Returns the user whose session is to be renewed, if the index has to know of it.
    pub(super) async fn user_in_index(&self) -> Result<Option<String>> {
        if self.storage().users().is_none() {
            return Ok(None);
        }
        let meta = Box::pin(self.known_metadata()).await?;
        Ok(meta.and_then(|meta| meta.user().map(ToOwned::to_owned)))
    }

    /// Adds the new id of a session to the index before it is renewed.
    pub(super) async fn enter_new(
        &self,
        user: &str,
        old: &SessionId,
        new: &SessionId,
    ) -> Result<()> {
        let Some(index) = self.storage().users() else { return Ok(()) };
        let entry = self.manager().new_entry(self.state().own_ttl()).renewing(old);
        if self.wait_for(Access::Write, index.add(user, new, entry)).await? {
            return Ok(());
        }
        Err(self.state().fail(Failure::Vanished))
    }

    /// Removes the old id from the index, if the session has moved, and the new session, if the old
    /// one was ended meanwhile.
    pub(super) async fn leave_old(
        &self,
        user: &str,
        old: &SessionId,
        new: &SessionId,
        has_moved: bool,
    ) -> Result<()> {
        let Some(index) = self.storage().users() else { return Ok(()) };
        let entry = self.manager().new_entry(self.state().own_ttl());
        let entry = if has_moved { entry.renewed(old) } else { entry.renewing(old) };
        if self.wait_for(Access::Write, index.add(user, new, entry)).await? {
            return Ok(());
        }
        self.wait_for(Access::Write, self.storage().remove_all(new, None)).await?;
        Err(self.state().fail(Failure::Vanished))
    }

    /// Removes an entry of the index, as far as that succeeds: it expires in any case.
    pub(super) async fn forget_entry(&self, user: &str, id: &SessionId) {
        if let Some(index) = self.storage().users() {
            self.attempt(index.remove(user, slice::from_ref(id))).await;
        }
    }

    async fn metadata_as_use(&self) -> Result<Option<Meta>> {
        let meta = self.known_metadata().await?;
        let mut state = self.state();
        if let Some(id) = state.id().filter(|_| meta.is_some()) {
            self.note_use(&mut state, &id);
            state.mark_known(id);
        }
        Ok(meta)
    }
}
