//! The end of a request.

use super::{
    handle::Session,
    outcome::{Closed, Outcome},
    state::{Failed, Phase, State},
};
use crate::Error;

impl Session {
    /// Stores what has changed and ends the use of this session. To be awaited before the
    /// response begins, whatever its status.
    ///
    /// One round trip if a storage of whole sessions has changes to write (more if others write
    /// to the same session at the same moment), none otherwise. A second call reports the same
    /// again.
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
    /// assert!(matches!(closed.outcome, Outcome::Issued { .. }), "the client has to be told the id");
    /// # Ok(()) }
    /// ```
    pub async fn close(&self) -> Closed {
        let _transition = self.0.transition.lock().await;
        let mut state = loop {
            // What goes wrong here is remembered like any failure before it.
            let saved = self.save_locked().await;
            let state = self.state();
            // Whatever a clone has changed meanwhile was acknowledged to it.
            if saved.is_err() || state.pending.is_none() {
                break state;
            }
        };
        self.leave(&mut state)
    }

    /// Does what [`close`](Self::close) does, if that needs no waiting: nothing has to be stored,
    /// and no clone is waiting for the store.
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
        state.pending.is_none().then(|| self.leave(&mut state))
    }

    fn leave(&self, state: &mut State) -> Closed {
        if let Some((outcome, failed)) = state.closed.clone() {
            return Closed { outcome, failure: failed.map(Error::from) };
        }
        let phase = std::mem::replace(&mut state.phase, Phase::Closed);
        let (ended, used, failed) = (state.ended, state.used, state.failed.clone());
        let claim = state.claim.take();
        let conflict = matches!(failed, Some(Failed::Vanished | Failed::IdTaken));
        let outcome = match phase {
            // Another tab may just have been given a new cookie.
            _ if conflict => Outcome::Untouched,
            Phase::Known(id, _) if used => {
                let roll = self.0.manager.note_used(&id);
                // Even after a later failure: the id is stored, and the old one may be dead.
                if claim.as_ref() == Some(&id) {
                    Outcome::Kept { id, roll }
                } else {
                    Outcome::Issued { id }
                }
            }
            Phase::Unproven(id) if used => {
                self.0.manager.note_used(&id);
                Outcome::Untouched
            }
            Phase::Absent if ended => Outcome::Ended,
            _ => Outcome::Untouched,
        };
        state.closed = Some((outcome.clone(), failed.clone()));
        Closed { outcome, failure: failed.map(Error::from) }
    }
}
