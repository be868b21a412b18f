//! How long a session lives.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{handle::Session, wait::Access};
use crate::{
    Changes, Result, lifetime,
    snapshot::{Meta, MetaChange},
};

impl Session {
    /// Gives the session a time to live of its own, or takes it away with `None`.
    ///
    /// For "remember me": the session then lives for this time after its last use instead of for
    /// the manager's [time to live](crate::ManagerBuilder::ttl), on every node and after every
    /// renewal. Its cookie follows. An [absolute](crate::ManagerBuilder::absolute_ttl) end stays.
    /// Without a session, it is kept for one that this request begins.
    ///
    /// Stored with the other changes at `close` by a storage of whole sessions. With a storage of
    /// items at once: two round trips.
    ///
    /// # Errors
    ///
    /// [`Error::Config`](crate::Error::Config) if the time is not between 1 ms and ten years;
    /// otherwise as described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// use std::time::Duration;
    ///
    /// let month = Duration::from_secs(30 * 24 * 60 * 60);
    /// session.set("user", "bob").await?;
    /// session.set_ttl(month).await?;
    /// session.save().await?;
    /// assert!(session.expires_in().await?.is_some_and(|left| left > month / 2));
    ///
    /// session.set_ttl(None).await?;
    /// session.save().await?;
    /// assert!(session.expires_in().await?.is_some_and(|left| left <= manager.ttl()));
    /// # Ok(()) }
    /// ```
    #[doc(alias = "remember_me")]
    #[doc(alias = "set_max_age")]
    #[doc(alias = "set_expiry")]
    pub async fn set_ttl(&self, ttl: impl Into<Option<Duration>>) -> Result<()> {
        let ttl = ttl.into();
        ttl.map_or(Ok(()), |ttl| lifetime::check("ttl", ttl))?;
        self.manager().note_own_ttl();
        {
            let mut state = self.state();
            state.check(Access::Write)?;
            state.new_ttl = Some(ttl);
        }
        let change = MetaChange { ttl: Some(ttl), ..MetaChange::default() };
        self.change(Changes::of_meta(change)).await
    }

    /// Returns the time until the session ends unless it is used again: until it expires, or until
    /// its [absolute](crate::ManagerBuilder::absolute_ttl) end if that is nearer.
    ///
    /// Returns `None` if there is no session. The call does not count as a use. One round trip, or
    /// two if sessions have lifetimes of their own or absolute ones, and nothing was read before.
    ///
    /// # Errors
    ///
    /// As described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// assert_eq!(session.expires_in().await?, None);
    /// session.set("name", "bob").await?;
    /// session.save().await?;
    /// assert!(session.expires_in().await?.is_some_and(|ttl| ttl <= manager.ttl()));
    /// # Ok(()) }
    /// ```
    pub async fn expires_in(&self) -> Result<Option<Duration>> {
        loop {
            self.choose_claim(Access::Read).await?;
            let Some(id) = self.checked_id(Access::Read)? else { return Ok(None) };
            let left = self.wait_for(Access::Read, self.storage().expires_in(&id)).await?;
            let Some(left) = left else {
                let renews = self.manager().needs_creation();
                if renews && Box::pin(self.follow(Access::Read, &id)).await? {
                    continue;
                }
                return Ok(None);
            };
            // Recent uses here may not be stored yet.
            let left = left.max(self.manager().remaining(&id).unwrap_or_default());
            if self.manager().absolute_ttl().is_none() {
                return Ok(Some(left));
            }
            return Box::pin(self.before_absolute_end(left)).await;
        }
    }

    /// Returns the time until the session's [absolute](crate::ManagerBuilder::absolute_ttl) end,
    /// however much it is used. `None` if it has none, or there is no session.
    ///
    /// The call does not count as a use. One round trip, unless the session was read before.
    ///
    /// # Errors
    ///
    /// As described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let day = Duration::from_secs(24 * 60 * 60);
    /// let manager = Manager::builder(MemoryStorage::new()).absolute_ttl(day).build()?;
    /// let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// session.save().await?;
    /// assert!(session.ends_in().await?.is_some_and(|left| left <= day));
    /// # Ok(()) }
    /// ```
    pub async fn ends_in(&self) -> Result<Option<Duration>> {
        let meta = self.known_metadata().await?;
        Ok(meta.and_then(|meta| self.manager().lifetime().left_of_absolute(&meta)))
    }

    /// Returns when the session was created, if that is noted: by a manager with an
    /// [absolute](crate::ManagerBuilder::absolute_ttl) end or a
    /// [renewal by itself](crate::ManagerBuilder::renew_after). A renewal does not change it.
    ///
    /// The call does not count as a use. One round trip, unless the session was read before.
    ///
    /// # Errors
    ///
    /// As described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// use std::time::Duration;
    ///
    /// let builder = Manager::builder(MemoryStorage::new());
    /// let manager = builder.absolute_ttl(Duration::from_secs(24 * 60 * 60)).build()?;
    /// let session = manager.open(None);
    /// session.set("name", "bob").await?;
    /// session.save().await?;
    /// assert!(session.created_at().await?.is_some());
    /// # Ok(()) }
    /// ```
    pub async fn created_at(&self) -> Result<Option<SystemTime>> {
        let created = self.known_metadata().await?.and_then(|meta| meta.created());
        Ok(created.map(|created| UNIX_EPOCH + Duration::from_millis(created)))
    }

    /// Returns the metadata, which is read unless it is known.
    pub(super) async fn known_metadata(&self) -> Result<Option<Meta>> {
        loop {
            self.choose_claim(Access::Read).await?;
            let Some(id) = self.checked_id(Access::Read)? else { return Ok(None) };
            if let Some(meta) = self.state().metadata() {
                return Ok(meta.cloned());
            }
            let found = self.storage().get_with_metadata(&id, "");
            let mut found = self.wait_for(Access::Read, found).await?;
            if let Some(marker) = found.take_if(|found| found.is_marker())
                && self.follow_marker(&id, &marker)
            {
                continue;
            }
            let meta = self.living(found.as_ref()).flatten();
            self.state().note_metadata(meta);
        }
    }

    /// Returns the shorter of a time and what is left until the absolute end. `None` if that is
    /// over.
    async fn before_absolute_end(&self, left: Duration) -> Result<Option<Duration>> {
        let left = self.ends_in().await?.map_or(left, |end| end.min(left));
        Ok((!left.is_zero()).then_some(left))
    }
}
