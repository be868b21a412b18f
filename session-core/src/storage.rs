//! The contract between a session and where it is kept.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use serde_json::value::RawValue;

use crate::{Changes, Result, SessionId, Snapshot};

/// The longest time to live a [`Manager`](crate::Manager) accepts: ten years and a leap day or
/// three. Stands also for "no expiry" where a store was told none.
pub const MAX_TTL: Duration = Duration::from_secs(3653 * 24 * 60 * 60);

/// A place where sessions are kept.
///
/// A storage of your own implements the five required methods; the provided ones are overridden
/// only to be cheaper or atomic, never to mean something else. Run the `conformance` suite
/// (a feature of this crate) on it.
///
/// # The contract
///
/// - A session is there from the first item to the last: an entry without items does not exist,
///   and a write that removes the last item removes the entry.
/// - **Each method is one atomic step** for every other reader and writer, in every process
///   that shares the store. Whoever reads sees a session before or after a write, never half.
/// - **An update never creates.** A session that has been removed stays removed, whatever write
///   was under way.
/// - **No entry is without a time to live**, whatever dies between two commands.
/// - `Ok(false)` and [`Written::Refused`] mean one thing everywhere: the condition did not hold
///   and nothing was written. `Err` is for failures only; after one, a write may or may not have
///   happened.
/// - A record the storage cannot read counts as no session. It is logged (key and fault, never
///   the content) and left as it is by every method.
/// - Dropping a returned future gives the operation up: it may or may not take effect, but
///   never in part. A [`Session`](crate::Session) drops it when its request runs out of time.
/// - Neither ids nor items appear in errors or logs.
///
/// A time to live is a whole number of milliseconds, from 1 ms to [`MAX_TTL`].
#[async_trait]
pub trait Storage: Debug + Send + Sync + 'static {
    /// Reads a whole session, or `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`](crate::Error::Storage) or [`Error::Timeout`](crate::Error::Timeout)
    /// if the store fails, here and in every method below.
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>>;

    /// Writes changes and restarts the time to live, in one atomic step.
    ///
    /// Changes made by others to other keys are kept. On [`Written::Refused`] nothing was
    /// written; [`WriteMode`] says when. Creating without setting an item is refused.
    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        mode: WriteMode<'_>,
        ttl: Duration,
    ) -> Result<Written>;

    /// Extends the time to live to `ttl` from now, unless it is longer already.
    ///
    /// Never shortens, so that the delayed write of one node cannot undo that of another. An
    /// entry found without any time to live is given this one. Returns `false`, and creates
    /// nothing, if there is no session.
    async fn update_ttl(&self, id: &SessionId, ttl: Duration) -> Result<bool>;

    /// Removes a session; with `if_seen`, only while it still has these items.
    ///
    /// Returns whether there was one that has been removed.
    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool>;

    /// Returns the time left, or `None` if there is no session.
    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>>;

    /// Returns a whole session if that needs neither waiting nor asking anybody.
    ///
    /// What [`get_session`](Self::get_session) would answer, but without the future that it makes:
    /// for storages that have sessions in this process. `None` says nothing.
    fn at_hand(&self, _id: &SessionId) -> Option<Snapshot> {
        None
    }

    /// How long each of these methods takes at most, if the storage sees to that by itself.
    ///
    /// A session that may wait that long for its store then needs no timer of its own. Next to a
    /// fast store a timer is a noticeable part of what a request costs.
    fn bound(&self) -> Option<Duration> {
        None
    }

    /// Whether sessions are read and written whole or item by item.
    fn granularity(&self) -> Granularity {
        Granularity::Whole
    }

    /// Reads one item, or `None` if there is no such item or no session.
    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        let session = self.get_session(id).await?;
        session.map_or(Ok(None), |session| session.get(key))
    }

    /// Whether an item is there, without reading it.
    async fn contains(&self, id: &SessionId, key: &str) -> Result<bool> {
        Ok(self.get_session(id).await?.is_some_and(|session| session.item(key).is_some()))
    }

    /// Counts the items; 0 if there is no session.
    async fn get_size(&self, id: &SessionId) -> Result<usize> {
        Ok(self.get_session(id).await?.map_or(0, |session| session.len()))
    }

    /// Moves a session to another id: same items, same time to live.
    ///
    /// The new entry is whole before the old one goes. A write to `from` meanwhile is not lost,
    /// and a removal of `from` meanwhile wins. Returns `false` if `from` is not there or `to` is
    /// taken; nothing has changed then. What dies half way leaves `from` untouched and perhaps a
    /// copy that expires.
    async fn rename(&self, from: &SessionId, to: &SessionId) -> Result<bool> {
        rename_by_copying(self, from, to).await
    }

    /// Clears away what has expired, where the store does not do so by itself.
    ///
    /// The [`Manager`](crate::Manager) calls it now and then, never on the path of a request.
    async fn sweep(&self) -> Result<()> {
        Ok(())
    }
}

/// Renames in several steps, each of them on one session.
pub(crate) async fn rename_by_copying<S: Storage + ?Sized>(
    storage: &S,
    from: &SessionId,
    to: &SessionId,
) -> Result<bool> {
    let Some(mut seen) = storage.get_session(from).await? else {
        return Ok(false);
    };
    let Some(ttl) = storage.expires_in(from).await? else {
        return Ok(false);
    };
    let copy = Changes::between(None, &seen);
    if storage.set_session(to, &copy, WriteMode::Create, ttl).await? == Written::Refused {
        return Ok(false);
    }
    loop {
        if storage.remove_all(from, Some(&seen)).await? {
            return Ok(true);
        }
        let Some(now) = storage.get_session(from).await? else {
            storage.remove_all(to, None).await?;
            return Ok(false);
        };
        let missed = Changes::between(Some(&seen), &now);
        let ttl = storage.expires_in(from).await?.unwrap_or(ttl);
        let mode = WriteMode::Update { seen: Some(&seen) };
        if storage.set_session(to, &missed, mode, ttl).await? != Written::Saved {
            // The copy has gone; `from` still has everything.
            return Ok(false);
        }
        seen = now;
    }
}

/// On what condition [`Storage::set_session`] writes.
#[derive(Clone, Copy, Debug)]
pub enum WriteMode<'a> {
    /// The id must be free.
    Create,
    /// The session must exist.
    Update {
        /// The session as the caller last saw it, which may spare the storage a read. If it has
        /// changed since, the changes are applied to what is there now.
        seen: Option<&'a Snapshot>,
    },
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The condition did not hold; nothing was written.
    Refused,
    /// The items and the time to live are stored.
    Saved,
    /// No item was left, so the session is gone.
    Emptied,
}

/// How a storage wants to be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granularity {
    /// A session is read whole on first need, changed in memory, and its changes are written
    /// once, when it closes.
    Whole,
    /// Every operation on an item goes to the store at once; nothing else is fetched.
    Item,
}
