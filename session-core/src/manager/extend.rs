//! Extending one session at once.

use tokio::time::{Instant, timeout};

use super::handle::Manager;
use crate::{SessionId, TtlRange};

impl Manager {
    /// Extends a session's time to live at once, and returns whether the session still exists.
    ///
    /// For the sender of a persistent cookie: a cookie that is sent again must not be that of a session
    /// which another request has renewed or ended meanwhile, here or on another node. One round trip,
    /// bounded by the timeout; `false` if the store fails.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// assert!(!manager.extend(&SessionId::random()).await);
    /// # Ok(()) }
    /// ```
    pub async fn extend(&self, id: &SessionId) -> bool {
        let now = Instant::now();
        let ttl = TtlRange::at_least(self.ttl()).at_most(self.ttl() + self.touch_interval());
        let answer = timeout(self.timeout(), self.storage().update_ttl(id, ttl)).await;
        let exists = matches!(answer, Ok(Ok(true)));
        if exists {
            self.note_stored(id, now);
        }
        exists
    }
}
