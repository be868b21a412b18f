//! Opening a session.

use std::sync::{Arc, Mutex};

use super::{
    handle::{Inner, Session},
    state::State,
};
use crate::{Manager, SessionId};

impl Manager {
    /// Opens the session with this id, or a new one, without I/O.
    ///
    /// The id is a claim, which the session's first use verifies. An id that the store does not
    /// know is never adopted: setting an item then starts a session under a fresh id.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// let id = session.id().await?;
    /// session.close().await;
    ///
    /// // The next request of the same client.
    /// let session = manager.open(id);
    /// assert_eq!(session.get::<String>("name").await?.as_deref(), Some("bob"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn open(&self, id: Option<SessionId>) -> Session {
        let state = Mutex::new(State::new(id, self.timeout()));
        let transition = Default::default();
        Session(Arc::new(Inner { manager: self.clone(), state, transition }))
    }
}
