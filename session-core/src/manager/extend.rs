//! Extending one session at once.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::handle::Manager;
use crate::{SessionId, TtlRange};

impl Manager {
    /// Extends a session's time to live at once, and returns whether the session still exists.
    ///
    /// For the sender of a persistent cookie: a cookie that is sent again must not be that of a session
    /// which another request has renewed or ended meanwhile, here or on another node. One round trip;
    /// `false` if the store fails, or has not answered within `limit`, which is what the request
    /// [has left](crate::Closed::time_left).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// let limit = std::time::Duration::from_secs(1);
    /// assert!(!manager.extend(&SessionId::random(), limit).await);
    /// # Ok(()) }
    /// ```
    pub async fn extend(&self, id: &SessionId, limit: Duration) -> bool {
        let now = Instant::now();
        let ttl = TtlRange::at_least(self.ttl()).at_most(self.ttl() + self.touch_interval());
        let ttl = ttl.lifetime(self.lifetime());
        let answer = timeout(limit, self.storage().update_ttl(id, ttl)).await;
        let exists = matches!(answer, Ok(Ok(true)));
        if exists {
            self.note_stored(id, now, None);
        }
        exists
    }

    /// Returns the time to live that a session's cookie has to outlast, and whether it is the session's
    /// own. Reads its metadata: one round trip, unless no session needs any.
    ///
    /// The manager's time to live if the store fails, or has not answered within `limit`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// let limit = std::time::Duration::from_secs(1);
    /// assert_eq!(manager.cookie_ttl(&SessionId::random(), limit).await, (manager.ttl(), false));
    /// # Ok(()) }
    /// ```
    pub async fn cookie_ttl(&self, id: &SessionId, limit: Duration) -> (Duration, bool) {
        let default = (self.ttl(), false);
        if !self.needs_metadata() {
            return default;
        }
        let answer = timeout(limit, self.storage().get_with_metadata(id, "")).await;
        let Ok(Ok(Some(session))) = answer else { return default };
        let meta = session.read_meta();
        let ttl = self.lifetime().ttl_by(&meta).unwrap_or(default.0);
        (ttl, meta.ttl().is_some())
    }
}
