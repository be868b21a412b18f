//! Extending one session at once.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::{handle::Manager, touch_queue::Facts};
use crate::{Closed, Outcome, SessionId, TtlRange};

impl Manager {
    /// Extends a session's time to live at once, and returns whether the session still exists.
    ///
    /// For the sender of a persistent cookie: a cookie that is sent again must not be that of a
    /// session which another request has renewed or ended meanwhile, here or on another node. One
    /// round trip; `false` if the store fails, or has not answered within `limit`, which is what
    /// the request [has left](crate::Closed::time_left).
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
        let answer = timeout(limit, self.storage().update_ttl(id, self.full_ttl())).await;
        let exists = matches!(answer, Ok(Ok(true)));
        if exists {
            self.note_stored(id, now, Facts::default());
        }
        exists
    }

    /// Completes the result of a session whose id is to be sent to its client: whether it still
    /// exists, if its cookie is to be sent again, and how long that has to live.
    ///
    /// A session that is kept is [extended](Self::extend) at once, and becomes
    /// [`Untouched`](Outcome::Untouched) if it does not exist any more. One round trip, or none if
    /// there is nothing to find out.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// let closed = manager.confirm(session.close().await).await;
    /// assert_eq!(closed.ttl, Some(manager.ttl()));
    /// # Ok(()) }
    /// ```
    pub async fn confirm(&self, mut closed: Closed) -> Closed {
        let limit = closed.time_left;
        let found = match &closed.outcome {
            Outcome::Kept { id, roll: true } if closed.ttl.is_some() => {
                if !self.extend(id, limit).await {
                    closed.outcome = Outcome::Untouched;
                }
                return closed;
            }
            Outcome::Kept { id, roll: true } => {
                let (now, storage) = (Instant::now(), self.storage());
                let extended = storage.update_ttl_with_metadata(id, self.full_ttl());
                let Ok(Ok(Some(session))) = timeout(limit, extended).await else {
                    closed.outcome = Outcome::Untouched;
                    return closed;
                };
                let meta = session.read_meta();
                let facts = Facts { own_ttl: Some(meta.ttl()), user: Some(meta.user()) };
                self.note_stored(id, now, facts);
                Some(session)
            }
            Outcome::Issued { id } if closed.ttl.is_none() && self.needs_metadata() => {
                let read = self.storage().get_with_metadata(id, "");
                timeout(limit, read).await.ok().and_then(Result::ok).flatten()
            }
            _ => None,
        };
        if let Some(session) = found {
            let meta = session.read_meta();
            closed.has_own_ttl = meta.ttl().is_some();
            closed.ttl = self.lifetime().ttl_by(&meta);
            if closed.has_own_ttl {
                self.note_own_ttl();
            }
        }
        closed
    }

    /// Returns the range for a session that is used now.
    fn full_ttl(&self) -> TtlRange {
        let range = TtlRange::at_least(self.ttl()).at_most(self.ttl() + self.touch_interval());
        range.lifetime(self.lifetime())
    }
}
