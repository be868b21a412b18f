//! What a session needs at the end of a request: a noted creation, a new id, or a proof of its id.

use std::future::Future;

use tokio::time::Instant;

use super::{
    handle::Session,
    state::{Phase, State},
};
use crate::{
    Changes, Event, EventSession, RenameOptions, Renewal, Result, SessionId, SetOptions,
    StoreOperation,
    lifetime::{millis, now_millis},
    snapshot::{Issue, MetaChange},
};

/// Something to do for a session.
pub(super) enum Upkeep {
    /// To note when it was created. It is from before that mattered, or from another program.
    Creation(SessionId),
    /// To renew its id, which was issued at this moment.
    Renewal(SessionId, u64),
    /// To read the metadata, which a request that only writes to a storage of items has not.
    Look(SessionId),
}

impl Session {
    /// Returns what the session needs, as far as this request knows it.
    pub(super) fn upkeep(&self, state: &State) -> Option<Upkeep> {
        let manager = self.manager();
        if !manager.needs_creation() || state.failure.is_some() || state.read_failure.is_some() {
            return None;
        }
        let is_use = state.used && (!state.passive || state.stored);
        let Phase::Known(id, _) = &state.phase else { return None };
        if !is_use {
            return None;
        }
        let Some(meta) = state.metadata() else { return Some(Upkeep::Look(id.clone())) };
        let Some(issued) = meta.and_then(|meta| meta.issued()) else {
            return Some(Upkeep::Creation(id.clone()));
        };
        let renew_after = millis(manager.renew_after()?);
        // An id that the client is only now told is not renewed at once.
        let is_told = state.claim.as_ref() == Some(id);
        let is_due = now_millis().saturating_sub(issued) >= renew_after;
        (is_told && is_due).then(|| Upkeep::Renewal(id.clone(), issued))
    }

    /// Does what the session needs. The request does not depend on it, so a failure is only logged:
    /// the next request tries again.
    pub(super) async fn keep_up(&self, upkeep: Upkeep) {
        match upkeep {
            Upkeep::Creation(id) => {
                let created = Some(now_millis());
                let change = MetaChange { created, ..MetaChange::default() };
                self.change_metadata(&id, change).await;
            }
            Upkeep::Renewal(id, seen) => self.renew_by_itself(&id, seen).await,
            Upkeep::Look(id) => self.look(&id).await,
        }
    }

    /// Reads the metadata, at most once per touch interval, and does what it shows to be needed.
    async fn look(&self, id: &SessionId) {
        if !self.manager().is_look_due(id) {
            return;
        }
        let found = self.attempt(self.storage().get_with_metadata(id, "")).await;
        let Some(meta) = found.and_then(|found| self.living(found.as_ref())) else { return };
        self.state().note_metadata(meta);
        let upkeep = self.upkeep(&self.state());
        if let Some(upkeep) = upkeep {
            Box::pin(self.keep_up(upkeep)).await;
        }
    }

    /// Renews the id, if no other request does.
    ///
    /// The claim to do so is written first. Whoever loses it keeps the id, and is led to the new
    /// one with its next request. A process that dies in between has changed nothing but the claim.
    async fn renew_by_itself(&self, id: &SessionId, seen: u64) {
        let issued = Some(Issue { seen, now: now_millis() });
        let change = MetaChange { issued, ..MetaChange::default() };
        if !self.change_metadata(id, change).await {
            return;
        }
        // 160 random bits, as text.
        let salt = SessionId::random();
        let new = id.derived(salt.as_str());
        let options = RenameOptions::grace(self.manager().grace()).salt(salt.as_str());
        let began = Instant::now();
        let user = self.state().facts().user.flatten().map(ToOwned::to_owned);
        let user = self.storage().users().zip(user);
        let entry = self.manager().new_entry(self.state().own_ttl());
        if let Some((index, user)) = &user
            && self.attempt(index.add(user, &new, entry.renewing(id))).await != Some(true)
        {
            return;
        }
        if self.attempt(self.storage().rename(id, &new, options)).await != Some(true) {
            return;
        }
        if let Some((index, user)) = &user
            && self.attempt(index.add(user, &new, entry.renewed(id))).await == Some(false)
        {
            // Ended meanwhile, by somebody who knew the old id only.
            self.attempt(self.storage().remove_all(&new, None)).await;
            return;
        }
        self.manager().note_ended(id);
        let ([session, before], renewal) =
            ([&new, id].map(|id| EventSession::new(id, self.storage())), Renewal::ByItself);
        self.manager().emit(Event::Renewed { session, before, renewal });
        let mut state = self.state();
        self.manager().note_stored(&new, began, state.facts());
        state.stored = true;
        state.set_known(new, None);
    }

    /// Finds out whether the session still has the id that the claimed one has led to.
    ///
    /// Another request may have renewed or ended it since this one has read it. Its id must not
    /// replace the one that the client was sent then.
    pub(super) async fn prove(&self, id: &SessionId) {
        let left = self.attempt(self.storage().expires_in(id)).await;
        if left.flatten().is_some() {
            self.state().is_followed = false;
        }
    }

    /// Changes the metadata. Returns whether that was stored.
    async fn change_metadata(&self, id: &SessionId, change: MetaChange) -> bool {
        let lifetime = self.manager().lifetime();
        let (changes, update) =
            (Changes::of_meta(change.clone()), SetOptions::update(lifetime.ttl).lifetime(lifetime));
        let began = Instant::now();
        let written = self.attempt(self.storage().set_session(id, &changes, update)).await;
        let is_stored = written.is_some_and(|written| written.is_saved());
        if is_stored {
            self.manager().note_stored(id, began, self.state().facts());
        }
        is_stored
    }

    /// Waits for a storage operation within the time that is left, and returns its answer, if any.
    pub(super) async fn attempt<T>(&self, operation: impl Future<Output = Result<T>>) -> Option<T> {
        let left = self.state().wait_budget.left();
        let answer = self.wait_within(Some(left), operation).await;
        self.manager().note_result(StoreOperation::Write, &answer);
        answer.ok()
    }
}
