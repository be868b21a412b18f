//! The sessions of a user: ending and limiting them.

use std::{collections::HashSet, slice};

use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::{Instant, timeout};

use super::{handle::Manager, touch_queue::OwnTtl};
use crate::{
    EndedBy, Error, Event, EventSession, NewEntry, Result, SessionId, Snapshot, Storage,
    StoreOperation, UserIndex,
};

/// The most sessions of a user that are read or ended at the same time.
pub(super) const AT_ONCE: usize = 16;
/// The most renewals of a session that are followed: more than happen within a grace period.
pub(super) const MOVES: usize = 8;

/// What a login does if the user has as many sessions as are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// Ends those whose login is the longest ago.
    EndOldest,
    /// Fails with [`Error::TooManySessions`].
    Refuse,
}

impl Manager {
    /// Ends one session of a user. Returns whether there was one with this fingerprint.
    ///
    /// It has ended on every node when this returns; a node with a near cache may serve reads of it
    /// for as long as that keeps an entry, a second at most.
    ///
    /// # Errors
    ///
    /// As [`sessions_of`](Self::sessions_of).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.login("bob").await?;
    /// let fingerprint = session.fingerprint().await?.expect("there is a session");
    /// assert!(manager.end("bob", &fingerprint).await?);
    /// assert!(!manager.end("bob", &fingerprint).await?);
    /// # Ok(()) }
    /// ```
    pub async fn end(&self, user: &str, fingerprint: &str) -> Result<bool> {
        Ok(self.end_where(user, |id| id.fingerprint() == fingerprint).await? > 0)
    }

    /// Ends all sessions of a user but the one with this fingerprint. Returns how many have ended.
    ///
    /// A session that is renewed at this moment has another fingerprint from then on, and ends too:
    /// for the session of a request there is [`Session::end_others`](crate::Session::end_others).
    ///
    /// # Errors
    ///
    /// As [`sessions_of`](Self::sessions_of).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let [session, stolen] = [manager.open(None), manager.open(None)];
    /// # session.login("bob").await?;
    /// # stolen.login("bob").await?;
    /// // The user has changed the password.
    /// let fingerprint = session.fingerprint().await?.expect("there is a session");
    /// assert_eq!(manager.end_others("bob", &fingerprint).await?, 1);
    /// # Ok(()) }
    /// ```
    pub async fn end_others(&self, user: &str, fingerprint: &str) -> Result<usize> {
        self.end_where(user, |id| id.fingerprint() != fingerprint).await
    }

    /// Ends all sessions of a user. Returns how many have ended.
    ///
    /// No session that was the user's when this was called lives when it returns, on any node,
    /// under whatever id it has been renewed meanwhile. A login that overlaps it may come after it.
    /// If it fails, some sessions may have ended; call it again.
    ///
    /// # Errors
    ///
    /// As [`sessions_of`](Self::sessions_of).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.login("bob").await?;
    /// assert_eq!(manager.end_all("bob").await?, 1);
    /// assert!(manager.sessions_of("bob").await?.is_empty());
    /// # Ok(()) }
    /// ```
    #[doc(alias = "logoutOtherDevices")]
    pub async fn end_all(&self, user: &str) -> Result<usize> {
        self.end_where(user, |_| true).await
    }

    /// Ends the sessions of a user that are selected by their ids in the store.
    ///
    /// Each is marked before it is removed, so that it cannot move to another id unseen: a renewal
    /// adds its new id before, and looks for the mark after. Whatever was added meanwhile is ended
    /// as well.
    async fn end_where(&self, user: &str, selects: impl Fn(&SessionId) -> bool) -> Result<usize> {
        self.end_selected(user, selects, None).await
    }

    /// Ends the sessions of a user but the one that has this id, or has had it a moment ago.
    pub(crate) async fn end_others_of(&self, user: &str, kept: &SessionId) -> Result<usize> {
        self.end_selected(user, |_| true, Some(kept)).await
    }

    /// Returns those of these ids that belong to living sessions other than the one to keep.
    async fn others(&self, ids: Vec<SessionId>, kept: &SessionId) -> Result<Vec<SessionId>> {
        let living: Vec<SessionId> = stream::iter(ids)
            .map(|id| async {
                // Without a session, it is one to which a session is about to move. That of another
                // session ends with the id before it.
                let left = self.limited(self.stored().expires_in(&id)).await?;
                Ok::<_, Error>(left.map(|_| id))
            })
            .buffer_unordered(AT_ONCE)
            .try_filter_map(async |id| Ok(id))
            .try_collect()
            .await?;
        // Looked for afterwards: if it has moved to one of them, that shows by now.
        let kept = self.ids_after(kept).await?;
        Ok(living.into_iter().filter(|id| !kept.contains(id)).collect())
    }

    /// Returns the ids, as the store knows them, that a session has had since it had this one.
    async fn ids_after(&self, id: &SessionId) -> Result<Vec<SessionId>> {
        let (storage, mut id) = (self.storage(), id.clone());
        let mut ids = vec![storage.stored_id(&id)];
        while ids.len() <= MOVES {
            let found = self.limited(storage.get_session(&id)).await?;
            let Some(marker) = found.filter(Snapshot::is_marker) else { break };
            let meta = marker.read_meta();
            let Some(salt) = meta.salt() else { break };
            id = id.derived(salt);
            ids.push(storage.stored_id(&id));
        }
        Ok(ids)
    }

    async fn end_selected(
        &self,
        user: &str,
        selects: impl Fn(&SessionId) -> bool,
        kept: Option<&SessionId>,
    ) -> Result<usize> {
        let (index, mut seen, mut ended) = (self.index()?, HashSet::new(), 0);
        loop {
            let entries = self.limited(index.list(user)).await?;
            let ids = entries.into_iter().map(|entry| entry.id);
            let mut new: Vec<_> = ids.filter(|id| selects(id) && !seen.contains(id)).collect();
            if let Some(kept) = kept {
                new = Box::pin(self.others(new, kept)).await?;
            }
            seen.extend(new.iter().cloned());
            if new.is_empty() {
                return Ok(ended);
            }
            self.limited(index.end(user, &new)).await?;
            let removed: Vec<SessionId> = stream::iter(new)
                .map(|id| async {
                    let removed = self.limited(self.stored().remove_all(&id, None)).await?;
                    if removed {
                        let session = EventSession::of_stored(&id);
                        self.emit(Event::Ended { session, by: EndedBy::Administration });
                    }
                    Ok::<_, Error>(removed.then_some(id))
                })
                .buffer_unordered(AT_ONCE)
                .try_filter_map(async |id| Ok(id))
                .try_collect()
                .await?;
            ended += removed.len();
            // Those without a session stay: they may have been renewed a moment ago.
            self.limited(index.remove(user, &removed)).await?;
        }
    }

    /// Returns how many other sessions a user may have at a login, if that is refused otherwise.
    pub(crate) fn max_others(&self) -> Option<usize> {
        match self.0.max_per_user {
            Some((max, WhenFull::Refuse)) => Some(max - 1),
            _ => None,
        }
    }

    /// Ends the oldest sessions of a user that are too many.
    pub(crate) async fn end_oldest(&self, user: &str) -> Result<()> {
        let Some((max, WhenFull::EndOldest)) = self.0.max_per_user else { return Ok(()) };
        let entries = self.limited(self.index()?.list(user)).await?;
        if entries.len() <= max {
            return Ok(());
        }
        let sessions = self.sessions_of(user).await?;
        let oldest: HashSet<_> = sessions.into_iter().skip(max).map(|session| session.id).collect();
        self.end_where(user, |id| oldest.contains(id)).await.map(drop)
    }

    /// Removes the entries of a user that have no session, so that they count as none.
    pub(crate) async fn remove_stale(&self, user: &str) -> Result<()> {
        let index = self.index()?;
        for entry in self.limited(index.list(user)).await? {
            let is_stale = !entry.is_ended
                && self.limited(self.stored().expires_in(&entry.id)).await?.is_none();
            if is_stale {
                self.limited(index.remove(user, slice::from_ref(&entry.id))).await?;
            }
        }
        Ok(())
    }

    /// Returns an entry of the index for a session that is used now.
    pub(crate) fn new_entry(&self, own_ttl: OwnTtl) -> NewEntry<'static> {
        let own_ttl = own_ttl.flatten();
        NewEntry::ttl(self.0.touches.entry_ttl(own_ttl.unwrap_or(self.ttl()), own_ttl))
    }

    /// Records that the index knows of a use of this session.
    pub(crate) fn note_indexed(&self, id: &SessionId, used: Instant) {
        self.0.touches.indexed(id, used);
    }

    /// Returns the storage that takes ids as the store knows them.
    pub(super) fn stored(&self) -> &dyn Storage {
        self.storage().by_stored_id().unwrap_or(self.storage())
    }

    pub(super) fn index(&self) -> Result<&dyn UserIndex> {
        let missing = || Error::Config("the storage has no index of users".to_owned());
        self.stored().users().ok_or_else(missing)
    }

    pub(super) async fn limited<T>(&self, operation: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = timeout(self.0.timeout, operation).await.unwrap_or(Err(Error::Timeout));
        self.note_result(StoreOperation::Write, &answer);
        answer
    }
}
