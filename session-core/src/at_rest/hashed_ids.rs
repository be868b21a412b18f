//! Ids that the store is not shown.

use std::{cell::Cell, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::{
    Changes, Granularity, IntoStorage, ItemSwap, NewEntry, RenameOptions, Result, Scan, SessionId,
    SetOptions, Snapshot, Storage, SwapOptions, TtlRange, UserIndex, WriteMode, Written,
};

/// Keeps ids out of the store: a storage is given the SHA-256 of each id, in lower-case base 32.
///
/// Whoever reads the store, a copy of it or its log learns no id that a server would accept.
/// SHA-256 of 160 random bits needs neither a salt nor a key; ids that an application chooses so
/// that they can be guessed stay guessable. Costs no round trip.
///
/// Not a [`Storage`] but what a [`Manager`](crate::Manager) is given, so that it is the outermost
/// layer: what lies below, `Sealed` too, works with the ids as they are stored.
///
/// # Examples
///
/// ```
/// # use session_core::*;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let storage = std::sync::Arc::new(MemoryStorage::new());
/// let manager = Manager::builder(HashedIds::new(storage.clone())).build()?;
/// let session = manager.open(None);
/// session.set("name", "bob").await?;
/// session.save().await?;
/// let id = session.id().await?.expect("it is stored");
/// assert!(storage.get_session(&id).await?.is_none());
/// # Ok(()) }
/// ```
///
/// The other order does not compile:
///
/// ```compile_fail,E0277
/// # use session_core::*;
/// # fn sealed(keys: KeyRing) {
/// Sealed::new(HashedIds::new(MemoryStorage::new()), keys);
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HashedIds<S> {
    storage: S,
    moves_until: Option<Instant>,
}

impl<S: Storage> HashedIds<S> {
    /// Hashes the ids that this storage is given.
    pub fn new(storage: S) -> Self {
        Self { storage, moves_until: None }
    }

    /// Finds sessions that were stored under their plain ids, and moves each one at its next use.
    ///
    /// For a store that was used without hashing. The time counts from here; the longest time to
    /// live of a session is enough, because what is not used for that long has expired.
    ///
    /// Until then, an id without a session, and with a storage of items an item that does not
    /// exist, cost three round trips more. The store is asked for an id without a session as it is,
    /// so that a log of its commands shows it. A storage that renames by copying, such as `Sealed`
    /// or a cluster, leaves the plain session behind until it expires if the process dies
    /// meanwhile.
    ///
    /// Hashing begins on all nodes at once: one that does not hash finds no session that was moved.
    ///
    /// An id of 52 characters `a-z 2-7` is never looked for as it is. Otherwise a hash that was
    /// read in the store would lead to its session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let storage = std::sync::Arc::new(MemoryStorage::new());
    /// let before = Manager::builder(storage.clone()).build()?.open(None);
    /// before.set("name", "bob").await?;
    /// before.save().await?;
    /// let id = before.id().await?.expect("it is stored");
    ///
    /// let hashed = HashedIds::new(storage.clone());
    /// let manager = Manager::builder(hashed);
    /// let manager = manager.build()?;
    /// assert_eq!(manager.open(Some(id.clone())).get::<String>("name").await?, None);
    ///
    /// let hashed = HashedIds::new(storage.clone());
    /// let manager = Manager::builder(hashed.move_plain_ids(manager.ttl())).build()?;
    /// assert_eq!(manager.open(Some(id.clone())).get::<String>("name").await?.as_deref(), Some("bob"));
    /// assert!(storage.get_session(&id).await?.is_none(), "it has moved");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn move_plain_ids(self, time: Duration) -> Self {
        Self { moves_until: Instant::now().checked_add(time), ..self }
    }
}

impl<S: Storage> IntoStorage for HashedIds<S> {
    fn into_storage(self) -> Arc<dyn Storage> {
        Arc::new(Hashing(self))
    }
}

thread_local! {
    /// The last id and its hash: a request needs it several times.
    static LAST: Cell<Option<[SessionId; 2]>> = const { Cell::new(None) };
}

/// Returns the hash of an id, which is computed unless this thread has hashed it last.
fn hash_of(id: &SessionId) -> SessionId {
    LAST.with(|cell| {
        let last = cell.take().filter(|[last, _]| last == id);
        let last = last.unwrap_or_else(|| [id.clone(), id.hashed()]);
        let hash = last[1].clone();
        cell.set(Some(last));
        hash
    })
}

/// The storage behind [`HashedIds`].
#[derive(Debug)]
pub(super) struct Hashing<S>(HashedIds<S>);

impl<S: Storage> Hashing<S> {
    /// Returns the storage that is given the hashes.
    pub(super) fn inner(&self) -> &S {
        &self.0.storage
    }

    /// Moves a session that is still stored under its plain id.
    ///
    /// First makes sure that there is none under the hash: only ids without a session are shown to
    /// the store.
    async fn move_plain(&self, id: &SessionId, hash: &SessionId) -> Result<()> {
        if self.0.storage.expires_in(hash).await?.is_none() {
            let found = self.0.storage.get_with_metadata(id, "").await?;
            let meta = found.map(|found| found.read_meta()).unwrap_or_default();
            if let Some((index, user)) = self.0.storage.users().zip(meta.user()) {
                // Until its next use, which tells how long it lives.
                let left = self.0.storage.expires_in(id).await?.unwrap_or_default();
                index.add(user, hash, NewEntry::ttl(left)).await?;
            }
            // If that fails, another request may have been faster.
            self.0.storage.rename(id, hash, RenameOptions::default()).await?;
        }
        Ok(())
    }

    fn may_be_plain(&self, id: &SessionId) -> bool {
        self.0.moves_until.is_some_and(|until| Instant::now() < until) && !id.is_like_hash()
    }
}

/// Calls the storage with the hash of an id. If the answer may mean that there is no session, moves
/// the one under the plain id, if there is one, and calls again.
macro_rules! with_hash {
    ($this:ident, $id:ident, $is_unknown:expr, |$storage:ident| $call:expr) => {{
        let $storage = &$this.0.storage;
        let plain = $id;
        let $id = &hash_of(plain);
        let answer = $call.await?;
        let is_unknown: fn(&_) -> bool = $is_unknown;
        if is_unknown(&answer) && $this.may_be_plain(plain) {
            $this.move_plain(plain, $id).await?;
            $call.await
        } else {
            Ok(answer)
        }
    }};
}

#[async_trait]
impl<S: Storage> Storage for Hashing<S> {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        let found: Result<_> =
            with_hash!(self, id, Option::is_none, |storage| storage.get_session(id));
        match found? {
            // What leads on from an id that was renewed before ids were hashed.
            None if self.may_be_plain(id) => {
                let plain = self.0.storage.get_session(id).await?;
                Ok(plain.filter(Snapshot::is_marker))
            }
            found => Ok(found),
        }
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        if options.mode == WriteMode::Create {
            let hash = &hash_of(id);
            // A random id is not taken. One that the application has chosen may be.
            if self.may_be_plain(id) && !id.is_like_random() {
                self.move_plain(id, hash).await?;
            }
            return self.0.storage.set_session(hash, changes, options).await;
        }
        with_hash!(self, id, |written: &Written| !written.is_saved(), |storage| storage
            .set_session(id, changes, options))
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        // It follows a use of the session, which has moved it. One that has ended since is not
        // asked for under its plain id, which the store would be shown.
        self.0.storage.update_ttl(&hash_of(id), ttl).await
    }

    async fn update_ttl_with_metadata(
        &self,
        id: &SessionId,
        ttl: TtlRange,
    ) -> Result<Option<Snapshot>> {
        self.0.storage.update_ttl_with_metadata(&hash_of(id), ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        if if_seen.is_some() {
            return with_hash!(self, id, |found| !found, |storage| storage.remove_all(id, if_seen));
        }
        let is_removed = self.0.storage.remove_all(&hash_of(id), None).await?;
        Ok(is_removed || self.may_be_plain(id) && self.0.storage.remove_all(id, None).await?)
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        with_hash!(self, id, Option::is_none, |storage| storage.expires_in(id))
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        self.0.storage.cached(&hash_of(id))
    }

    fn stored_id(&self, id: &SessionId) -> SessionId {
        hash_of(id)
    }

    fn by_stored_id(&self) -> Option<&dyn Storage> {
        Some(&self.0.storage)
    }

    fn name(&self) -> &'static str {
        self.0.storage.name()
    }

    fn scanner(&self) -> Option<&dyn Scan> {
        self.0.storage.scanner()
    }

    fn max_latency(&self) -> Option<Duration> {
        self.0.storage.max_latency()
    }

    fn granularity(&self) -> Granularity {
        self.0.storage.granularity()
    }

    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        with_hash!(self, id, Option::is_none, |storage| storage.get(id, key))
    }

    async fn contains(&self, id: &SessionId, key: &str) -> Result<bool> {
        with_hash!(self, id, |found| !found, |storage| storage.contains(id, key))
    }

    async fn get_with_metadata(&self, id: &SessionId, key: &str) -> Result<Option<Snapshot>> {
        with_hash!(self, id, Option::is_none, |storage| storage.get_with_metadata(id, key))
    }

    async fn get_size(&self, id: &SessionId) -> Result<usize> {
        with_hash!(self, id, |size| *size == 0, |storage| storage.get_size(id))
    }

    async fn swap_item(
        &self,
        id: &SessionId,
        key: &str,
        seen: Option<&RawValue>,
        new: Option<&RawValue>,
        options: SwapOptions<'_>,
    ) -> Result<ItemSwap> {
        with_hash!(self, id, |swap| matches!(swap, ItemSwap::Missing), |storage| {
            storage.swap_item(id, key, seen, new, options)
        })
    }

    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        let to = &hash_of(to);
        with_hash!(self, from, |renamed| !renamed, |storage| storage.rename(from, to, options))
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        self.0.storage.users().map(|_| self as &dyn UserIndex)
    }

    async fn sweep(&self) -> Result<()> {
        self.0.storage.sweep().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_id_has_its_own_hash_whichever_was_hashed_last() {
        let ids = [SessionId::random(), SessionId::random()];
        for index in [0, 0, 1, 0, 1, 1] {
            assert_eq!(hash_of(&ids[index]), ids[index].hashed());
        }
    }
}
