//! Closing a session at the end of its request.

use super::{
    handle::Session,
    outcome::{Closed, Outcome},
    state::{Failure, Phase, State},
};
use crate::Error;

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
        let _transition = self.0.transition.lock().await;
        let mut state = loop {
            // A failure here is recorded in the state like any earlier one.
            let saved = self.save_locked().await;
            let state = self.state();
            // Changes that a clone has made meanwhile were acknowledged, so they are saved too.
            if saved.is_err() || state.pending.is_none() {
                break state;
            }
        };
        self.finish(&mut state)
    }

    /// Closes the session like [`close`](Self::close) if that needs no waiting, or returns `None`.
    ///
    /// It needs waiting if there are changes to store or a clone is waiting for the store.
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
        state.pending.is_none().then(|| self.finish(&mut state))
    }

    fn finish(&self, state: &mut State) -> Closed {
        if let Some((outcome, failure)) = state.closed.clone() {
            return Closed { outcome, failure: failure.map(Error::from) };
        }
        let phase = std::mem::replace(&mut state.phase, Phase::Closed);
        let (ended, used, failure) = (state.ended, state.used, state.failure.clone());
        let claim = state.claim.take();
        let is_conflict = matches!(failure, Some(Failure::Vanished | Failure::IdTaken));
        let outcome = match phase {
            // Another request of this client may just have received a new cookie.
            _ if is_conflict => Outcome::Untouched,
            Phase::Known(id, _) if used => {
                let roll = self.0.manager.note_used(&id);
                // Even after a later failure: this id is stored, and the old one may be invalid.
                if claim.as_ref() == Some(&id) {
                    Outcome::Kept { id, roll }
                } else {
                    Outcome::Issued { id }
                }
            }
            Phase::Unverified(id) if used => {
                self.0.manager.note_used(&id);
                Outcome::Untouched
            }
            Phase::Absent if ended => Outcome::Ended,
            _ => Outcome::Untouched,
        };
        state.closed = Some((outcome.clone(), failure.clone()));
        Closed { outcome, failure: failure.map(Error::from) }
    }
}
