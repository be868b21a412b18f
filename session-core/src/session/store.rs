//! The calls of a session to its storage.

use std::borrow::Cow;

use tokio::time::Instant;

use super::{
    handle::Session,
    state::{Failure, Phase, State},
    wait::Access,
};
use crate::{
    Changes, EndedBy, Event, EventSession, Granularity, Result, SessionId, SetOptions, Snapshot,
    Storage, Written,
    lifetime::now_millis,
    snapshot::{Meta, MetaChange},
};

impl Session {
    pub(super) fn storage(&self) -> &dyn Storage {
        self.0.manager.storage()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.storage().granularity() == Granularity::Whole
    }

    pub(super) fn checked_id(&self, access: Access) -> Result<Option<SessionId>> {
        let mut state = self.state();
        state.check(access)?;
        Ok(state.id())
    }

    /// Verifies the claimed ids, unless that has been done.
    pub(super) async fn verify(&self, access: Access) -> Result<()> {
        if self.is_whole() {
            return self.load(access).await.map(drop);
        }
        let _transition = self.transition(access).await?;
        self.verify_locked(access).await
    }

    /// Like [`verify`](Self::verify), if the client has sent several ids: only the verified one may
    /// be asked for.
    pub(super) async fn choose_claim(&self, access: Access) -> Result<()> {
        if !self.state().has_other_claims() {
            return Ok(());
        }
        Box::pin(self.verify(access)).await
    }

    pub(super) async fn verify_locked(&self, access: Access) -> Result<()> {
        if self.is_whole() {
            return self.load_locked(access).await.map(drop);
        }
        loop {
            let Some(id) = self.checked_id(access)?.filter(|_| !self.state().is_known()) else {
                return Ok(());
            };
            if self.wait_for(access, self.storage().expires_in(&id)).await?.is_some() {
                let mut state = self.state();
                self.note_use(&mut state, &id);
                state.mark_known(id);
            } else if !(self.manager().needs_creation() && self.follow(access, &id).await?) {
                self.mark_unknown_unread(&id);
            }
        }
    }

    /// Returns the session as it was first loaded. Loads it if needed.
    pub(super) async fn load(&self, access: Access) -> Result<Option<Snapshot>> {
        let _transition = match self.0.transition.try_lock() {
            Some(guard) => guard,
            None => {
                // A loaded session need not wait for a write in flight.
                if let Some(loaded) = self.state().loaded(access)? {
                    return Ok(loaded);
                }
                self.transition(access).await?
            }
        };
        self.load_locked(access).await
    }

    pub(super) async fn load_locked(&self, access: Access) -> Result<Option<Snapshot>> {
        loop {
            let id = {
                let mut state = self.state();
                if let Some(loaded) = state.loaded(access)? {
                    return Ok(loaded);
                }
                state.id()
            };
            let Some(id) = id else { return Ok(None) };
            let found = match self.storage().cached(&id) {
                None => self.wait_for(access, self.storage().get_session(&id)).await?,
                cached => cached,
            };
            if let Some(marker) = found.as_ref().filter(|found| found.is_marker()) {
                if self.follow_marker(&id, marker) {
                    continue;
                }
                self.state().is_renewed = true;
            }
            let living = found.and_then(|found| Some((self.living(Some(&found))?, found)));
            let Some((meta, snapshot)) = living else {
                if self.mark_unknown(&id) {
                    continue;
                }
                return Ok(None);
            };
            let mut state = self.state();
            // It may have been closed meanwhile.
            state.check(access)?;
            state.note_metadata(meta);
            self.note_use(&mut state, &id);
            // With a storage of items every read goes to the store.
            state.set_known(id, self.is_whole().then(|| snapshot.clone()));
            return Ok(Some(snapshot));
        }
    }

    /// Returns the metadata of what is stored, if there is any. `None` if that is a marker, or a
    /// session that has ended.
    ///
    /// The store ends a session by itself, unless its time to live was edited by hand.
    pub(super) fn living(&self, stored: Option<&Snapshot>) -> Option<Option<Box<Meta>>> {
        if stored.is_some_and(Snapshot::is_marker) {
            return None;
        }
        let Some(meta) = stored.and_then(Snapshot::boxed_meta) else { return Some(None) };
        if meta.ttl().is_some() {
            self.manager().note_own_ttl();
        }
        self.manager().lifetime().ttl_by(&meta).map(|_| Some(meta))
    }

    /// Continues with the id that a marker leads to. Returns whether it leads to one.
    pub(super) fn follow_marker(&self, id: &SessionId, marker: &Snapshot) -> bool {
        let meta = marker.read_meta();
        let Some(salt) = meta.salt() else { return false };
        let mut state = self.state();
        if state.is_current(id) {
            state.follow(id.derived(salt));
        }
        true
    }

    /// Continues with the id that the session has moved to, after its storage has refused an
    /// operation. Returns whether it has moved.
    pub(super) async fn follow(&self, access: Access, id: &SessionId) -> Result<bool> {
        let found = self.wait_for(access, self.storage().get_session(id)).await?;
        let Some(marker) = found.filter(Snapshot::is_marker) else { return Ok(false) };
        let is_followed = self.follow_marker(id, &marker);
        self.state().is_renewed |= !is_followed;
        Ok(is_followed)
    }

    /// Records that the store has answered about this session, which is a use of it.
    ///
    /// The manager is told at once, not at the end of the request: a long request must not lose its
    /// session, and one whose client disconnects counts too.
    pub(super) fn note_use(&self, state: &mut State, id: &SessionId) {
        state.used = true;
        if !state.passive && state.noted.is_none() {
            let now = Instant::now();
            state.noted = Some(now);
            state.rolls = self.0.manager.note_used(id, now, state.facts());
        }
    }

    /// Records that a write begun at `began` has stored the session, which is a use of it.
    fn note_stored(&self, state: &mut State, id: &SessionId, began: Instant) {
        state.used = true;
        state.stored = true;
        self.0.manager.note_stored(id, began, state.facts());
        if state.noted.is_none() {
            // As of the same moment, so that no write of the time to live follows.
            state.noted = Some(began);
            state.rolls = self.0.manager.note_used(id, began, state.facts());
        }
    }

    /// Records that the store does not know this id, if it is still unverified, and returns whether
    /// it was. If the session was known, nothing changes here: its next write fails.
    pub(super) fn mark_unknown(&self, id: &SessionId) -> bool {
        let was_unverified = self.state().mark_unknown(id);
        if was_unverified {
            self.0.manager.note_unknown(id);
        }
        was_unverified
    }

    /// Stores changes at once. The caller holds the transition lock.
    pub(super) async fn store_locked(&self, changes: &Changes) -> Result<()> {
        loop {
            let (id, seen) = {
                let mut state = self.state();
                state.check(Access::Write)?;
                match &state.phase {
                    Phase::Known(id, seen) => (Some(id.clone()), seen.clone()),
                    _ => (state.id(), None),
                }
            };
            let Some(id) = id else { return self.create(changes).await };
            if self.write(&id, changes, seen.as_ref()).await?.is_saved() {
                return Ok(());
            }
            self.explain_refused(&id).await?;
        }
    }

    /// Finds out why a write to this id was refused, and continues with the session's new id or the
    /// next claim. Fails if the session was known and has ended.
    pub(super) async fn explain_refused(&self, id: &SessionId) -> Result<()> {
        // Not read for each unknown claim, unless it may have been renewed by itself.
        let is_read = self.state().is_known() || self.manager().needs_creation();
        if is_read && Box::pin(self.follow(Access::Write, id)).await? {
            return Ok(());
        }
        let is_unknown = if is_read { self.mark_unknown(id) } else { self.mark_unknown_unread(id) };
        if is_unknown || !self.state().is_current(id) {
            return Ok(());
        }
        Err(self.state().fail(Failure::Vanished))
    }

    /// Updates an existing session, and records the result in the state.
    pub(super) async fn write(
        &self,
        id: &SessionId,
        changes: &Changes,
        seen: Option<&Snapshot>,
    ) -> Result<Written> {
        let (began, lifetime) = (Instant::now(), self.manager().lifetime());
        let update = SetOptions::update(lifetime.ttl).lifetime(lifetime).seen(seen);
        let set = self.storage().set_session(id, changes, update);
        let written = self.wait_for(Access::Write, set).await?;
        let mut state = self.state();
        // A late answer must not bring back an id that this request has renewed or ended, nor
        // reopen a closed session.
        if written.is_saved() && state.is_current(id) {
            if let Written::SavedOfUser(session) = &written {
                state.note_metadata(session.boxed_meta());
            }
            self.note_stored(&mut state, id, began);
            state.set_known(id.clone(), None);
        }
        Ok(written)
    }

    async fn create(&self, changes: &Changes) -> Result<()> {
        if !changes.creates() {
            return Ok(());
        }
        if self.is_renewed().await? {
            return Err(self.state().fail(Failure::Vanished));
        }
        let (new_id, new_ttl) = {
            let state = self.state();
            (state.new_id.clone(), state.new_ttl)
        };
        let id = new_id.unwrap_or_else(|| self.generate_id());
        let created = self.manager().needs_creation().then(now_millis);
        let meta = MetaChange { created, ttl: new_ttl, ..MetaChange::default() };
        let mut changes = Cow::Borrowed(changes);
        if !meta.is_empty() {
            changes.to_mut().extend(Changes::of_meta(meta.clone()));
        }
        let (began, lifetime) = (Instant::now(), self.manager().lifetime());
        let create = SetOptions::create(lifetime.ttl).lifetime(lifetime);
        let set = self.storage().set_session(&id, &changes, create);
        let written = self.wait_for(Access::Write, set).await?;
        if !written.is_saved() {
            return Err(self.state().fail(Failure::IdTaken));
        }
        let session = EventSession::new(&id, self.storage());
        self.0.manager.emit(Event::Created { session });
        let mut state = self.state();
        state.check(Access::Write)?;
        state.note_new(&meta);
        state.new_id = None;
        state.is_followed = false;
        state.noted = None;
        self.note_stored(&mut state, &id, began);
        state.set_known(id, None);
        Ok(())
    }

    /// Like [`mark_unknown`](Self::mark_unknown), if the id was not read, and so may be a marker's.
    pub(super) fn mark_unknown_unread(&self, id: &SessionId) -> bool {
        let was_unverified = self.mark_unknown(id);
        if was_unverified {
            self.state().add_unread(id.clone());
        }
        was_unverified
    }

    /// Returns whether a claimed id was renewed a moment ago.
    ///
    /// A request that was sent with the id before must not begin a session of its own: its cookie
    /// could replace that of the renewed session in the browser.
    async fn is_renewed(&self) -> Result<bool> {
        let unread = self.state().take_unread();
        for id in unread {
            let found = self.wait_for(Access::Write, self.storage().get_session(&id)).await?;
            self.state().is_renewed |= found.is_some_and(|found| found.is_marker());
        }
        let state = self.state();
        Ok(state.is_renewed && !state.starts_anew)
    }

    /// Records that this request has ended the session.
    pub(super) fn ended(&self, id: &SessionId) {
        self.0.manager.note_ended(id);
        let session = EventSession::new(id, self.storage());
        if self.state().facts().user.flatten().is_some() {
            self.0.manager.emit(Event::LoggedOut { session });
        }
        self.0.manager.emit(Event::Ended { session, by: EndedBy::Request });
        let mut state = self.state();
        state.stored = true;
        state.ended = true;
        state.noted = None;
        state.forget_metadata();
        if state.is_current(id) {
            state.phase = Phase::Absent;
        }
    }
}
