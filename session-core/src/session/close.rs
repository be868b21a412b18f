//! Closing a session at the end of its request.

use tokio::time::Instant;

use super::{
    handle::Session,
    outcome::{Closed, Outcome},
    state::{Failure, Phase, State},
    wait::Access,
};
use crate::{Error, SessionId};

impl Session {
    /// Stores the changes and closes the session.
    ///
    /// Await it before the response begins, whatever its status. Costs one round trip if there are
    /// changes to a storage of whole sessions (more if others write to the same session at the same
    /// moment), otherwise none. A second call returns the same result.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// let closed = session.close().await;
    /// assert!(closed.failure.is_none());
    /// assert!(matches!(closed.outcome, Outcome::Issued { .. }), "the client must be sent the id");
    /// # Ok(()) }
    /// ```
    pub async fn close(&self) -> Closed {
        // Without the lock, if the time for waiting is over: the operation that holds it finds the
        // session closed when it is answered.
        let _transition = match self.0.transition.try_lock() {
            Some(guard) => Some(guard),
            None => self.transition(Access::Read).await.ok(),
        };
        loop {
            // A failure here is recorded in the state like any earlier one.
            let saved = self.save_locked().await;
            // Changes that a clone has made meanwhile were acknowledged, so they are saved too.
            if saved.is_err() || self.state().pending.is_none() {
                break;
            }
        }
        let upkeep = self.upkeep(&self.state());
        if let Some(upkeep) = upkeep {
            Box::pin(self.keep_up(upkeep)).await;
        }
        let unproved = self.state().unproved().cloned();
        if let Some(id) = unproved {
            Box::pin(self.prove(&id)).await;
        }
        self.finish(&mut self.state())
    }

    /// Closes the session like [`close`](Self::close) if that needs no waiting, or returns `None`.
    ///
    /// It needs waiting if there are changes to store, the id is to be renewed or was renewed by
    /// another request a moment ago, or a clone is waiting for the store.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// assert!(session.try_close().is_none(), "the name has to be stored first");
    /// session.save().await?;
    /// let closed = session.try_close().expect("nothing to wait for");
    /// assert!(matches!(closed.outcome, Outcome::Issued { .. }));
    /// # Ok(()) }
    /// ```
    #[must_use = "`None` means that the session is still open"]
    pub fn try_close(&self) -> Option<Closed> {
        let _transition = self.0.transition.try_lock()?;
        let mut state = self.state();
        let needs_store =
            state.pending.is_some() || state.unproved().is_some() || self.upkeep(&state).is_some();
        (!needs_store).then(|| self.finish(&mut state))
    }

    fn finish(&self, state: &mut State) -> Closed {
        if let Some((outcome, failure)) = state.closed.clone() {
            return self.closed(state, outcome, failure);
        }
        let phase = std::mem::replace(&mut state.phase, Phase::Closed);
        let (used, failure) = (state.used, state.failure.clone());
        let claim = state.claim.take();
        // A client without an id has no cookie to remove.
        let ended = state.ended && claim.is_some();
        let is_conflict = matches!(failure, Some(Failure::Vanished | Failure::IdTaken));
        let outcome = match phase {
            // Another request of this client may just have received a new cookie.
            _ if is_conflict => Outcome::Untouched,
            Phase::Known(id, _) if used => {
                let roll = self.note_use_at_close(state, &id) | state.new_ttl.is_some();
                // Even after a later failure: this id is stored, and the old one may be invalid.
                if claim.as_ref() == Some(&id) {
                    Outcome::Kept { id, roll }
                } else if state.is_followed {
                    // The client may have been told a newer id.
                    Outcome::Untouched
                } else {
                    Outcome::Issued { id }
                }
            }
            Phase::Unverified(id) if used => {
                self.note_use_at_close(state, &id);
                Outcome::Untouched
            }
            Phase::Absent if ended => Outcome::Ended,
            _ => Outcome::Untouched,
        };
        state.closed = Some((outcome.clone(), failure.clone()));
        self.closed(state, outcome, failure)
    }

    fn closed(&self, state: &State, outcome: Outcome, failure: Option<Failure>) -> Closed {
        Closed {
            outcome,
            failure: failure.map(Error::from),
            was_used: state.was_asked,
            time_left: state.wait_budget.left(),
            ttl: state.cookie_ttl(self.manager().lifetime()),
            has_own_ttl: state.own_ttl().flatten().is_some(),
            sets_ttl: state.new_ttl.is_some(),
        }
    }

    /// Tells the manager of the use again if the request took longer than a touch interval. Returns
    /// whether a persistent cookie has to be sent again.
    fn note_use_at_close(&self, state: &State, id: &SessionId) -> bool {
        let manager = self.manager();
        if state.passive && !state.stored {
            return false;
        }
        let now = Instant::now();
        match state.noted {
            Some(at) if now.duration_since(at) < manager.touch_interval() => state.rolls,
            Some(_) => manager.note_used(id, now, state.facts()) | state.rolls,
            None => manager.note_used(id, now, state.facts()),
        }
    }
}
