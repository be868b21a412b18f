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
        self.open_any(id)
    }

    /// Opens the session of the first of these claimed ids that the store knows. No I/O.
    ///
    /// For clients that send several cookies of one name, which they do after its path or domain
    /// was changed. The ids are verified in their order, each as [`open`](Self::open) says, until
    /// one is known; each unknown one costs a round trip. Pass only a few, since a client can
    /// invent them.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// let id = session.id().await?.expect("it has an item");
    /// session.close().await;
    ///
    /// let session = manager.open_any([SessionId::parse("expired-long-ago")?, id]);
    /// assert_eq!(session.get::<String>("name").await?.as_deref(), Some("bob"));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn open_any(&self, claims: impl IntoIterator<Item = SessionId>) -> Session {
        let mut claims = claims.into_iter();
        let state = State::new(claims.next(), claims, self.timeout());
        let (state, transition) = (Mutex::new(state), Default::default());
        Session(Arc::new(Inner { manager: self.clone(), state, transition }))
    }
}
