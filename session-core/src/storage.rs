//! The contract between a session and the store that keeps it.

mod condition;
mod options;
pub(crate) mod provided;
mod scan;
mod shared;
mod ttl_range;
#[cfg(any(feature = "file", feature = "memory"))]
pub(crate) mod user_entries;
mod users;
#[cfg(any(feature = "file", feature = "redis"))]
pub(crate) mod write_groups;

use std::{fmt::Debug, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::value::RawValue;

pub use self::condition::Condition;
#[cfg(any(feature = "memory", feature = "file", feature = "redis"))]
pub(crate) use self::options::OwnedSetOptions;
pub use self::options::{
    Granularity, ItemSwap, RenameOptions, SetOptions, SwapOptions, WriteMode, Written,
};
#[cfg(feature = "metrics")]
pub(crate) use self::shared::with_async_methods;
pub use self::{
    scan::{Page, Scan},
    ttl_range::TtlRange,
    users::{NewEntry, UserEntry, UserIndex},
};
use crate::{Changes, Result, SessionId, Snapshot};

/// The longest time to live a [`Manager`](crate::Manager) accepts: ten years, leap days included.
/// Also reported as the time left of an entry that has no expiry.
pub const MAX_TTL: Duration = Duration::from_secs(3653 * 24 * 60 * 60);

/// A store of sessions.
///
/// A storage of your own implements the five required methods. Override the provided ones only to
/// make them cheaper or atomic, never to change their meaning. Test it with the `conformance` suite
/// (a feature of this crate). An `Arc` of a storage is a storage too, so that one can be shared.
///
/// # The contract
///
/// - Only [`remove_all`](Self::remove_all) and expiry end a session. A write that removes the last
///   item leaves a session without items, kept by metadata under the reserved key `$meta`, which is
///   no item and counts as none. A session is created with at least one item.
/// - **Each method is one atomic step** for every other reader and writer, in every process that
///   shares the store. A reader sees a session before or after a write, never half of it.
/// - **An update never creates.** A session that has been removed stays removed, whatever write was
///   in flight.
/// - **No entry is without a time to live**, even if a process dies between two commands.
/// - `Ok(false)` and [`Written::Refused`] always mean that the condition did not hold and nothing
///   was written. `Err` is for failures only; after one, a write may or may not have happened.
/// - A record that the storage cannot read counts as no session. Every method leaves it as it is
///   and logs it: the key and the fault, never the content.
/// - Dropping a returned future abandons the operation: it may or may not take effect, but never in
///   part. A [`Session`](crate::Session) drops the future when its request runs out of time.
/// - Neither ids nor items appear in errors or logs.
///
/// A time to live is a whole number of milliseconds, from 1 ms to [`MAX_TTL`].
#[async_trait]
pub trait Storage: Debug + Send + Sync + 'static {
    /// Reads a whole session, or returns `None` if there is none.
    ///
    /// Also returns a [marker](Snapshot::is_marker), which is no session.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`](crate::Error::Storage) or [`Error::Timeout`](crate::Error::Timeout)
    /// if the store fails, here and in every method below.
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>>;

    /// Writes changes and restarts the time to live, in one atomic step.
    ///
    /// Keeps what others have changed under other keys. Returns [`Written::Refused`], and writes
    /// nothing, if the options [refuse](SetOptions::apply) the write.
    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written>;

    /// Changes the time to live as little as possible, so that it lies within `ttl`.
    ///
    /// A range, because a delayed write of one node must not undo that of another, and a lowered
    /// maximum has to reach sessions that are only read. An entry without any time to live gets the
    /// lower bound. Returns `false`, and creates nothing, if there is no session.
    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool>;

    /// Removes a session; with `if_seen`, only while it still has these items.
    ///
    /// Returns whether a session was removed.
    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool>;

    /// Returns the time left, or `None` if there is no session.
    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>>;

    /// Returns the session if it is already in this process's memory. `None` means unknown, not
    /// absent.
    ///
    /// Called before [`get_session`](Self::get_session), to save the future that it returns.
    fn cached(&self, _id: &SessionId) -> Option<Snapshot> {
        None
    }

    /// Returns the upper bound on every method's duration, if the storage enforces one itself.
    ///
    /// A manager uses it as its default timeout. A session whose remaining time is no shorter needs
    /// no timer of its own, and next to a fast store a timer is a noticeable part of a request's
    /// cost.
    fn max_latency(&self) -> Option<Duration> {
        None
    }

    /// Returns the name of the storage in metrics. By default that of its type, without its path.
    fn name(&self) -> &'static str {
        provided::name::<Self>()
    }

    /// Returns whether sessions are read and written whole or item by item.
    fn granularity(&self) -> Granularity {
        Granularity::Whole
    }

    /// Reads one item, or returns `None` if there is no such item or no session.
    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        provided::get(self, id, key).await
    }

    /// Returns whether an item exists, without reading it.
    async fn contains(&self, id: &SessionId, key: &str) -> Result<bool> {
        provided::contains(self, id, key).await
    }

    /// Reads one item and the session's metadata: a session with this item, if it exists, and no
    /// other. `None` if there is neither the item nor metadata.
    ///
    /// Called instead of [`get`](Self::get) where the metadata matters.
    async fn get_with_metadata(&self, id: &SessionId, key: &str) -> Result<Option<Snapshot>> {
        provided::get_with_metadata(self, id, key).await
    }

    /// Changes the time to live like [`update_ttl`](Self::update_ttl), and returns the session's
    /// metadata: a session without items. `None` if there is no session.
    ///
    /// Not one step: the metadata may be newer.
    async fn update_ttl_with_metadata(
        &self,
        id: &SessionId,
        ttl: TtlRange,
    ) -> Result<Option<Snapshot>> {
        if !self.update_ttl(id, ttl).await? {
            return Ok(None);
        }
        let session = self.get_session(id).await?.filter(|session| !session.is_marker());
        Ok(session.map(|session| session.without_items()))
    }

    /// Counts the items; 0 if there is no session.
    async fn get_size(&self, id: &SessionId) -> Result<usize> {
        provided::get_size(self, id).await
    }

    /// Sets an item to `new`, or removes it, if it is still the one that was `seen`. Restarts the
    /// time to live.
    ///
    /// One atomic step, which the changes of other items do not disturb. Never creates a session.
    async fn swap_item(
        &self,
        id: &SessionId,
        key: &str,
        seen: Option<&RawValue>,
        new: Option<&RawValue>,
        options: SwapOptions<'_>,
    ) -> Result<ItemSwap> {
        provided::swap_item(self, id, key, [seen, new], options).await
    }

    /// Moves a session to another id, with the same items and time to live.
    ///
    /// The new entry is complete before the old one is removed. A concurrent write to `from` is not
    /// lost, and a concurrent removal of `from` wins. Returns `false`, and changes nothing, if
    /// `from` does not exist or `to` is taken. A process that dies half way leaves `from` untouched
    /// and perhaps a copy that expires.
    ///
    /// With a grace, a marker takes the session's place at `from`, in the same step that ends it.
    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        provided::rename(self, from, to, options).await
    }

    /// Returns the index of users, if the storage has one.
    ///
    /// Without it nobody can tell which sessions a user has, so they cannot be listed, limited or
    /// ended together.
    fn users(&self) -> Option<&dyn UserIndex> {
        None
    }

    /// Returns the id under which the store keeps a session, if that is another than the client's.
    fn stored_id(&self, id: &SessionId) -> SessionId {
        id.clone()
    }

    /// Returns the same sessions by the ids under which the store keeps them. `None` if those are
    /// the ids of the clients.
    ///
    /// For administration, which finds sessions in the store and knows no other ids.
    fn by_stored_id(&self) -> Option<&dyn Storage> {
        None
    }

    /// Returns what lists the sessions of the store. `None` if the storage cannot.
    ///
    /// It lists the ids [under which the store keeps them](Self::by_stored_id).
    fn scanner(&self) -> Option<&dyn Scan> {
        None
    }

    /// Removes expired entries, if the store does not do so by itself.
    ///
    /// The [`Manager`](crate::Manager) calls it from time to time, outside of requests.
    async fn sweep(&self) -> Result<()> {
        Ok(())
    }
}

/// What a [`Manager`](crate::Manager) can be built with: any storage, or one whose ids are
/// [hashed](crate::HashedIds).
pub trait IntoStorage {
    /// Returns the storage.
    fn into_storage(self) -> Arc<dyn Storage>;
}

impl<S: Storage> IntoStorage for S {
    fn into_storage(self) -> Arc<dyn Storage> {
        Arc::new(self)
    }
}
