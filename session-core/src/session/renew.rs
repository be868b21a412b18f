//! Renewal of a session's id.

use super::{
    handle::Session,
    state::{Failure, Phase},
    wait::Access,
};
use crate::{Changes, Event, EventSession, RenameOptions, Renewal, Result, SessionId, SetOptions};

impl Session {
    /// Moves the session to a new id at once. The old id is invalid when this returns.
    ///
    /// OWASP requires a new id at login and at every other change of privileges, so that an
    /// attacker who knew the old id gets no access. The items and the time to live stay. The new
    /// entry is complete before the old one is removed, so a crash in between loses nothing.
    ///
    /// Returns the new id, or `None` if there is no session; a session that is not stored yet gets
    /// a fresh id anyway. One of several concurrent calls for a session succeeds. The others fail
    /// with [`Error::Vanished`](crate::Error::Vanished), so call it at login rather than on every
    /// request. GoFrame calls it `RegenerateId(true)`.
    ///
    /// # Errors
    ///
    /// [`Error::IdTaken`](crate::Error::IdTaken) if the id function returned an id in use;
    /// otherwise as described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.set("cart", ["apple"]).await?;
    /// session.save().await?;
    /// let before = session.id().await?;
    ///
    /// // The visitor logs in.
    /// session.regenerate_id().await?;
    /// session.set("user", "bob").await?;
    /// assert_ne!(session.id().await?, before);
    /// assert!(session.contains("cart").await?);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "renew")]
    #[doc(alias = "cycle_id")]
    #[doc(alias = "RenewToken")]
    #[doc(alias = "RegenerateId")]
    pub async fn regenerate_id(&self) -> Result<Option<SessionId>> {
        self.renew(OldId::Removed).await
    }

    /// Copies the session to a new id at once. The old session stays until it expires.
    ///
    /// This request continues with the copy. The old id still gives access to the old session, so
    /// use [`regenerate_id`](Self::regenerate_id) at login. GoFrame calls it `RegenerateId(false)`.
    ///
    /// Returns the new id, or `None` if there is no session; a session that is not stored yet gets
    /// a fresh id anyway.
    ///
    /// # Errors
    ///
    /// As [`regenerate_id`](Self::regenerate_id).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// session.save().await?;
    /// let old = session.id().await?;
    /// session.regenerate_id_keeping_old().await?;
    /// assert!(manager.open(old).contains("name").await?);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "RegenerateId")]
    pub async fn regenerate_id_keeping_old(&self) -> Result<Option<SessionId>> {
        self.renew(OldId::Kept).await
    }

    async fn renew(&self, old_id: OldId) -> Result<Option<SessionId>> {
        let _transition = self.transition(Access::Write).await?;
        if self.is_whole() || self.state().has_other_claims() {
            self.verify_locked(Access::Write).await?;
        }
        loop {
            // First, because it may lead on from an id that was renewed by itself.
            let user = self.user_in_index().await?;
            let Some(old) = self.checked_id(Access::Write)? else {
                return Ok(self.renew_unstored());
            };
            let new = self.generate_id();
            if let Some(user) = &user {
                Box::pin(self.enter_new(user, &old, &new)).await?;
            }
            if self.move_or_copy(&old, &new, old_id).await? {
                if let Some(user) = &user {
                    let has_moved = matches!(old_id, OldId::Removed);
                    Box::pin(self.leave_old(user, &old, &new, has_moved)).await?;
                }
                return self.renewed(&old, new, old_id).map(Some);
            }
            if let Some(user) = &user {
                Box::pin(self.forget_entry(user, &new)).await;
            }
            if !self.explain_not_renewed(&old).await? {
                return Ok(None);
            }
        }
    }

    async fn move_or_copy(&self, old: &SessionId, new: &SessionId, old_id: OldId) -> Result<bool> {
        let options = RenameOptions::grace(self.manager().grace());
        match old_id {
            OldId::Removed => {
                self.wait_for(Access::Write, self.storage().rename(old, new, options)).await
            }
            OldId::Kept => self.copy(old, new).await,
        }
    }

    /// Records that the session has a new id.
    fn renewed(&self, old: &SessionId, new: SessionId, old_id: OldId) -> Result<SessionId> {
        if matches!(old_id, OldId::Removed) {
            self.manager().note_ended(old);
        }
        let [session, before] = [&new, old].map(|id| EventSession::new(id, self.storage()));
        let renewal = old_id.into();
        self.manager().emit(Event::Renewed { session, before, renewal });
        let mut state = self.state();
        state.check(Access::Write)?;
        state.is_followed = false;
        state.used = true;
        state.stored = true;
        state.noted = None;
        let base = match &mut state.phase {
            Phase::Known(_, base) => base.take(),
            _ => None,
        };
        state.set_known(new.clone(), base);
        Ok(new)
    }

    /// Gives a session that is not stored yet a fresh id, whatever id was asked for before.
    fn renew_unstored(&self) -> Option<SessionId> {
        // An explicit renewal begins a session of its own, even if another one, whose answer may be
        // lost, has renewed the claimed id.
        self.state().starts_anew = true;
        if !self.state().sets_items() {
            return None;
        }
        let new = self.generate_id();
        self.state().new_id = Some(new.clone());
        Some(new)
    }

    async fn copy(&self, old: &SessionId, new: &SessionId) -> Result<bool> {
        let found = self.wait_for(Access::Write, self.storage().get_session(old)).await?;
        let Some(session) = found.filter(|found| !found.is_marker()) else { return Ok(false) };
        let items = Changes::between(None, &session);
        let lifetime = self.manager().lifetime();
        let create = SetOptions::create(lifetime.ttl).lifetime(lifetime);
        let set = self.storage().set_session(new, &items, create);
        let written = self.wait_for(Access::Write, set).await?;
        Ok(written.is_saved())
    }

    /// Determines why a renewal was refused: the old session does not exist, or the new id is
    /// taken. Returns whether to try again, under the id that the session has moved to by itself.
    async fn explain_not_renewed(&self, old: &SessionId) -> Result<bool> {
        if self.wait_for(Access::Write, self.storage().expires_in(old)).await?.is_some() {
            return Err(self.state().fail(Failure::IdTaken));
        }
        let may_have_moved = self.state().is_known() || self.manager().needs_creation();
        if may_have_moved && self.follow(Access::Write, old).await? {
            return Ok(true);
        }
        if self.state().is_known() {
            return Err(self.state().fail(Failure::Vanished));
        }
        self.mark_unknown(old);
        self.state().starts_anew = true;
        Ok(false)
    }
}

#[derive(Clone, Copy)]
enum OldId {
    Removed,
    Kept,
}

impl From<OldId> for Renewal {
    fn from(old_id: OldId) -> Self {
        match old_id {
            OldId::Removed => Self::Explicit,
            OldId::Kept => Self::Copy,
        }
    }
}
