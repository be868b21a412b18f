//! A storage whose items are encrypted.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::value::RawValue;

use super::{current::IsCurrent, decrypter::Decrypter, key_ring::KeyRing, place::Place};
use crate::{
    Changes, Condition, Granularity, ItemSwap, Result, Scan, SessionId, SetOptions, Snapshot,
    Storage, SwapOptions, TtlRange, UserIndex, WriteMode, Written, recent::Recent,
    storage::provided,
};

/// Keeps items unreadable in a store: each one is encrypted with AES-256-GCM-SIV (RFC 8452) before
/// the storage inside is given it.
///
/// Whoever reads the store, a copy of it or its log learns no item. An item is bound to the id of
/// its session and to its key: copied to another place, or changed by one bit, it cannot be opened.
/// A session of a storage of whole sessions then counts as none, and is left as it is; of a storage
/// of items, that item counts as none.
///
/// Not hidden: the keys of items, their lengths, the metadata (when a session was created, its own
/// time to live), and whether an item of a session is the same as before. The last one is because
/// the same item becomes the same text each time; a random one would be another each time, and a
/// storage could not tell whether an item has changed. Equal items of two sessions, or under two
/// keys, differ.
///
/// # A store with sessions that are not encrypted
///
/// They are read, and encrypted at their next write: whole, or item by item with a storage of
/// items. So whoever can write to the store can put a session of their own making in. When no such
/// session is left, [`require_encryption`](Self::require_encryption) ends this.
///
/// Encryption begins on all nodes at once: one without the keys takes what is encrypted for a text.
///
/// # In memory
///
/// The last 2,048 whole sessions of at most 16 KiB that were read stay decrypted in memory, so that
/// reading one that has not changed costs no decryption. A session that ends by this storage is
/// forgotten at once; one that expires, when another one takes its place.
///
/// # Round trips
///
/// As the storage inside, but: a rename copies the session, because its items are bound to the new
/// id (four or more), and fails with a timeout if others write to it all the time. An unconditional
/// removal reads a whole session first. The first write of a session that is not encrypted, or with
/// another key than the first, takes one more if others write to it at the same time.
///
/// # Examples
///
/// ```
/// # use session_core::*;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let keys = KeyRing::new([EncryptionKey::random()])?;
/// let store = std::sync::Arc::new(MemoryStorage::new());
/// let manager = Manager::builder(Sealed::new(store.clone(), keys)).build()?;
/// let session = manager.open(None);
/// session.set("name", "the white rabbit").await?;
/// session.save().await?;
///
/// let id = session.id().await?.expect("it is stored");
/// let stored = store.get_session(&id).await?.expect("it exists");
/// assert!(!stored.stored().contains("rabbit"));
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Sealed<S> {
    storage: S,
    decrypter: Arc<Decrypter>,
}

impl<S: Storage> Sealed<S> {
    /// Encrypts the items of this storage.
    pub fn new(storage: S, keys: KeyRing) -> Self {
        Self::with(storage, keys, true)
    }

    /// Counts what is not encrypted as no session, or no item.
    #[must_use]
    pub fn require_encryption(self) -> Self {
        Self::with(self.storage, self.decrypter.keys.clone(), false)
    }

    fn with(storage: S, keys: KeyRing, accepts_plain: bool) -> Self {
        let (is_whole, recent) = (storage.granularity() == Granularity::Whole, Recent::default());
        let decrypter = Arc::new(Decrypter { keys, accepts_plain, is_whole, recent });
        Self { storage, decrypter }
    }

    pub(super) fn inner(&self) -> &S {
        &self.storage
    }

    pub(super) fn decrypter(&self) -> &Decrypter {
        &self.decrypter
    }

    fn keys(&self) -> &KeyRing {
        &self.decrypter.keys
    }

    fn is_whole(&self) -> bool {
        self.decrypter.is_whole
    }

    /// Encrypts what changes set.
    fn seal(&self, id: &SessionId, changes: &Changes) -> Changes {
        let sealed = changes.map_items(|key, item| self.keys().seal(&Place::new(id, key), item));
        sealed.map_login(|login| self.keys().seal_login(id, &login))
    }

    /// Returns the session as it is now, if it still has the items that were seen.
    async fn now_if_seen(&self, id: &SessionId, seen: &Snapshot) -> Result<Option<Snapshot>> {
        if seen.origin().is_some() {
            return Ok(Some(seen.clone()));
        }
        let now = self.get_session(id).await?;
        Ok(now.filter(|now| now.is_same_session(seen)))
    }

    /// Writes a session of a storage of whole sessions if it is still as it was read, all of its
    /// items encrypted with the first key.
    async fn replace(
        &self,
        id: &SessionId,
        changes: &Changes,
        read: &Snapshot,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let mut sealed = self.seal(id, changes);
        if self.is_whole() && !read.is_current() && options.mode != WriteMode::Retire {
            let mut all = Changes::between(None, read);
            // Its login is encrypted anew as well, unless the metadata changes anyway.
            if !read.has_login() || changes.has_meta() {
                all = all.without_metadata();
            }
            all.extend(changes.clone());
            sealed = self.seal(id, &all);
        }
        let mode = match options.mode {
            WriteMode::Update => WriteMode::UpdateSeen,
            mode => mode,
        };
        let options = SetOptions { mode, seen: read.origin(), ..options };
        self.storage.set_session(id, &sealed, options).await
    }

    /// Updates a session of a storage of whole sessions.
    async fn update(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let seen = options.seen.filter(|seen| seen.origin().is_some());
        let mut outdated = seen.cloned();
        if seen.is_none_or(Snapshot::is_current) {
            let is_current =
                Arc::new(IsCurrent::new(self.decrypter.clone(), id, seen, options.condition));
            let condition: Arc<dyn Condition> = is_current.clone();
            let seen = seen.and_then(Snapshot::origin);
            let options = SetOptions { seen, condition: Some(&condition), ..options };
            let written = self.storage.set_session(id, &self.seal(id, changes), options).await?;
            outdated = is_current.take_outdated();
            if written.is_saved() || outdated.is_none() {
                return Ok(written);
            }
        }
        let options = SetOptions { seen: outdated.as_ref(), ..options };
        Box::pin(self.update_outdated(id, changes, options)).await
    }

    /// Updates a session that is not encrypted, or not with the first key, and encrypts it anew.
    async fn update_outdated(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let mut session = options.seen.cloned();
        loop {
            if session.is_none() {
                session = self.get_session(id).await?;
            }
            let Some(now) = session.take() else { return Ok(Written::Refused) };
            // Refused for another reason than that somebody else was faster.
            if options.apply(changes, Some(&now)).is_none() {
                return Ok(Written::Refused);
            }
            let written = self.replace(id, changes, &now, options).await?;
            if written.is_saved() {
                return Ok(written);
            }
        }
    }
}

#[async_trait]
impl<S: Storage> Storage for Sealed<S> {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        Ok(self.decrypter.whole(id, self.storage.get_session(id).await?))
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let written = match options.mode {
            WriteMode::Update if self.is_whole() => self.update(id, changes, options).await,
            WriteMode::Create | WriteMode::Update => {
                let options = SetOptions { seen: None, ..options };
                self.storage.set_session(id, &self.seal(id, changes), options).await
            }
            WriteMode::UpdateSeen | WriteMode::Retire => {
                let Some(seen) = options.seen else { return Ok(Written::Refused) };
                match self.now_if_seen(id, seen).await? {
                    Some(now) => self.replace(id, changes, &now, options).await,
                    None => Ok(Written::Refused),
                }
            }
        };
        if options.mode == WriteMode::Retire {
            self.decrypter.recent.remove(id);
        }
        Ok(match written? {
            Written::SavedOfUser(session) => {
                Written::SavedOfUser(self.decrypter.metadata(id, &session))
            }
            written => written,
        })
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        self.storage.update_ttl(id, ttl).await
    }

    async fn update_ttl_with_metadata(
        &self,
        id: &SessionId,
        ttl: TtlRange,
    ) -> Result<Option<Snapshot>> {
        let session = self.storage.update_ttl_with_metadata(id, ttl).await?;
        Ok(session.map(|session| self.decrypter.metadata(id, &session)))
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        let now = match if_seen {
            Some(seen) => self.now_if_seen(id, seen).await?,
            None if self.is_whole() => self.get_session(id).await?,
            None => {
                self.decrypter.recent.remove(id);
                return self.storage.remove_all(id, None).await;
            }
        };
        self.decrypter.recent.remove(id);
        let Some(now) = now else { return Ok(false) };
        self.storage.remove_all(id, if_seen.and(now.origin())).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.storage.expires_in(id).await
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        self.decrypter.whole(id, Some(self.storage.cached(id)?))
    }

    fn name(&self) -> &'static str {
        self.storage.name()
    }

    fn scanner(&self) -> Option<&dyn Scan> {
        self.storage.scanner()
    }

    fn max_latency(&self) -> Option<Duration> {
        self.storage.max_latency()
    }

    fn granularity(&self) -> Granularity {
        self.storage.granularity()
    }

    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        if self.is_whole() {
            return provided::get(self, id, key).await;
        }
        let item = self.storage.get(id, key).await?;
        Ok(item.and_then(|item| self.decrypter.item(id, key, item)))
    }

    async fn contains(&self, id: &SessionId, key: &str) -> Result<bool> {
        if self.is_whole() {
            return provided::contains(self, id, key).await;
        }
        self.storage.contains(id, key).await
    }

    async fn get_with_metadata(&self, id: &SessionId, key: &str) -> Result<Option<Snapshot>> {
        if self.is_whole() {
            return provided::get_with_metadata(self, id, key).await;
        }
        let Some(stored) = self.storage.get_with_metadata(id, key).await? else { return Ok(None) };
        let meta = stored.meta().is_some().then(|| self.decrypter.metadata(id, &stored));
        Ok(self.decrypter.session(id, stored).or(meta))
    }

    async fn get_size(&self, id: &SessionId) -> Result<usize> {
        if self.is_whole() {
            return provided::get_size(self, id).await;
        }
        self.storage.get_size(id).await
    }

    async fn swap_item(
        &self,
        id: &SessionId,
        key: &str,
        seen: Option<&RawValue>,
        new: Option<&RawValue>,
        options: SwapOptions<'_>,
    ) -> Result<ItemSwap> {
        if self.is_whole() {
            return provided::swap_item(self, id, key, [seen, new], options).await;
        }
        let place = Place::new(id, key);
        let seal = |item: &RawValue| self.keys().seal(&place, item);
        let (mut stored, new) = (seen.map(seal), new.map(seal));
        let options = SwapOptions { session: None, ..options };
        loop {
            let swap = self.storage.swap_item(id, key, stored.as_deref(), new.as_deref(), options);
            let now = match swap.await? {
                ItemSwap::Changed(now) => now,
                answer => return Ok(answer),
            };
            let item = match &now {
                // What cannot be read is left as it is.
                Some(text) => match self.decrypter.item(id, key, text.clone()) {
                    Some(item) => Some(item),
                    None => return Ok(ItemSwap::Missing),
                },
                None => None,
            };
            if item.as_deref().map(RawValue::get) != seen.map(RawValue::get) {
                return Ok(ItemSwap::Changed(item));
            }
            // The same item, in another text: not encrypted, or with another key.
            stored = now;
        }
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        self.storage.users().map(|_| self as &dyn UserIndex)
    }

    async fn sweep(&self) -> Result<()> {
        self.storage.sweep().await
    }
}
