//! Reading items.

use std::future::Future;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{handle::Session, state::Phase, wait::Access};
use crate::{Result, SessionId, Snapshot, snapshot::decode};

impl Session {
    /// Reads one item, or returns `None` if there is no such item or no session.
    ///
    /// Decodes no other item. Costs one round trip with a storage of items. A storage of whole
    /// sessions is read once per request.
    ///
    /// The fields of a Redis hash have no types, and people and GoFrame write strings there without
    /// quotes. So with a storage of items, a number or a word is also read as a `String`, and `1`
    /// or `0` as a `bool`. If an item cannot be decoded, its key is logged.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`](crate::Error::Decode) if the item is not a `T`; otherwise as described
    /// [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.set("age", 42).await?;
    /// assert_eq!(session.get::<u8>("age").await?, Some(42));
    /// assert_eq!(session.get::<u8>("size").await?, None);
    /// assert!(matches!(session.get::<bool>("age").await, Err(Error::Decode { .. })));
    /// # Ok(()) }
    /// ```
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        if !self.is_whole() {
            if self.manager().needs_metadata() {
                let session = self.read_with_metadata(key).await?;
                let item = session.as_ref().and_then(|session| session.item(key));
                return item.map(|item| self.decode(key, item)).transpose();
            }
            let get = async |id: SessionId| self.storage().get(&id, key).await;
            let item = self.query(get, Option::is_some).await?;
            return item.flatten().map(|item| self.decode(key, item.get())).transpose();
        }
        let decoded =
            |item: Option<&RawValue>| item.map(|item| self.decode(key, item.get())).transpose();
        if let Some(changed) = self.read_pending(key, decoded)? {
            return changed;
        }
        let Some(session) = self.load(Access::Read).await? else { return Ok(None) };
        session.item(key).map(|item| self.decode(key, item)).transpose()
    }

    /// Reads one item, or returns `default` if there is no such item or no session, or the item is
    /// `null`.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// let visits = session.get_or("visits", 0).await? + 1;
    /// session.set("visits", visits).await?;
    /// # Ok(()) }
    /// ```
    pub async fn get_or<T: DeserializeOwned>(&self, key: &str, default: T) -> Result<T> {
        Ok(self.get::<Option<T>>(key).await?.flatten().unwrap_or(default))
    }

    /// Returns whether an item exists.
    ///
    /// Costs as many round trips as [`get`](Self::get), but transfers no item from a storage of
    /// items.
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
    /// session.set("name", "bob").await?;
    /// assert!(session.contains("name").await?);
    /// assert!(!session.contains("age").await?);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "contains_key")]
    #[doc(alias = "exists")]
    pub async fn contains(&self, key: &str) -> Result<bool> {
        if !self.is_whole() {
            if self.manager().needs_metadata() {
                let session = self.read_with_metadata(key).await?;
                return Ok(session.is_some_and(|session| !session.is_empty()));
            }
            let contains = async |id: SessionId| self.storage().contains(&id, key).await;
            return Ok(self.query(contains, |exists| *exists).await?.unwrap_or(false));
        }
        if let Some(is_set) = self.read_pending(key, |item| item.is_some())? {
            return Ok(is_set);
        }
        Ok(self.load(Access::Read).await?.is_some_and(|session| session.item(key).is_some()))
    }

    /// Counts the items; 0 if there is no session.
    ///
    /// Costs as many round trips as [`get`](Self::get).
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
    /// assert_eq!(session.size().await?, 0);
    /// session.set("name", "bob").await?;
    /// assert_eq!(session.size().await?, 1);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "len")]
    pub async fn size(&self) -> Result<usize> {
        if !self.is_whole() {
            let size = async |id: SessionId| self.storage().get_size(&id).await;
            if !self.manager().needs_metadata() {
                return Ok(self.query(size, |size| *size > 0).await?.unwrap_or(0));
            }
            loop {
                // It may have ended, or moved to another id.
                self.read_with_metadata("").await?;
                let id = self.checked_id(Access::Read)?;
                let counted = self.query(size, |size| *size > 0).await?.unwrap_or(0);
                if counted > 0 || !Box::pin(self.has_moved(id)).await? {
                    return Ok(counted);
                }
            }
        }
        Ok(self.data().await?.map_or(0, |session| session.len()))
    }

    /// Reads the whole session with the changes made here, or returns `None` if there is none.
    ///
    /// Decodes no item. Costs at most one round trip with any storage.
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
    /// assert!(session.data().await?.is_none());
    /// session.set("name", "bob").await?;
    /// session.set("age", 42).await?;
    /// let items = session.data().await?.expect("it has items");
    /// assert_eq!(items.to_json(), r#"{"age":42,"name":"bob"}"#);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "entries")]
    pub async fn data(&self) -> Result<Option<Snapshot>> {
        let base = self.load(Access::Read).await?;
        let state = self.state();
        Ok(match &state.pending {
            Some(pending) => pending.apply(base.as_ref()),
            None => base,
        })
    }

    /// Reads the pending change of an item, or returns `None` if there is none.
    fn read_pending<T>(
        &self,
        key: &str,
        read: impl FnOnce(Option<&RawValue>) -> T,
    ) -> Result<Option<T>> {
        let mut state = self.state();
        state.check(Access::Read)?;
        Ok(state.pending.as_ref().and_then(|pending| pending.get(key)).map(read))
    }

    /// Returns whether the session has moved to another id than this one.
    async fn has_moved(&self, id: Option<SessionId>) -> Result<bool> {
        self.read_with_metadata("").await?;
        Ok(self.checked_id(Access::Read)? != id)
    }

    /// Reads an item of a storage of items, and the session's metadata, with which it may have
    /// ended or moved to another id.
    async fn read_with_metadata(&self, key: &str) -> Result<Option<Snapshot>> {
        loop {
            self.choose_claim(Access::Read).await?;
            let Some(id) = self.checked_id(Access::Read)? else { return Ok(None) };
            let read = self.storage().get_with_metadata(&id, key);
            let mut found = self.wait_for(Access::Read, read).await?;
            if let Some(marker) = found.take_if(|found| found.is_marker()) {
                if self.follow_marker(&id, &marker) {
                    continue;
                }
                return Ok(None);
            }
            let Some(meta) = self.living(found.as_ref()) else {
                if self.mark_unknown(&id) {
                    continue;
                }
                return Ok(None);
            };
            let mut state = self.state();
            state.note_metadata(meta);
            if !matches!(state.phase, Phase::Absent | Phase::Closed) {
                self.note_use(&mut state, &id);
            }
            if found.is_some() {
                state.mark_known(id);
            }
            return Ok(found);
        }
    }

    /// Waits for a query of a storage of items. A result that `is_proof` accepts verifies the
    /// claim.
    async fn query<T, F: Future<Output = Result<T>>>(
        &self,
        query: impl FnOnce(SessionId) -> F,
        is_proof: impl FnOnce(&T) -> bool,
    ) -> Result<Option<T>> {
        self.choose_claim(Access::Read).await?;
        let Some(id) = self.checked_id(Access::Read)? else { return Ok(None) };
        let result = self.wait_for(Access::Read, query(id.clone())).await?;
        let mut state = self.state();
        if !matches!(state.phase, Phase::Absent | Phase::Closed) {
            self.note_use(&mut state, &id);
        }
        if is_proof(&result) {
            state.mark_known(id);
        }
        Ok(Some(result))
    }

    /// Decodes an item, and logs the key if it is not a `T`.
    pub(super) fn decode<T: DeserializeOwned>(&self, key: &str, item: &str) -> Result<T> {
        decode(item).or_else(|error| {
            let untyped = (!self.is_whole()).then(|| decode_untyped(item)).flatten();
            untyped.ok_or_else(|| {
                log::warn!("the item {key:?} of a session cannot be read: {error}");
                error
            })
        })
    }
}

/// Decodes a field of a hash, which has no type of its own, as the type that is wanted: a number or
/// a word as a string, `1` and `0` as a `bool`. People and GoFrame write such fields.
fn decode_untyped<T: DeserializeOwned>(item: &str) -> Option<T> {
    if item.starts_with(['"', '[', '{']) {
        return None;
    }
    let flag = match item {
        "1" => "true",
        "0" => "false",
        _ => item,
    };
    let string = serde_json::to_string(item).expect("a string is always JSON");
    decode(&string).or_else(|_| decode(flag)).ok()
}
