//! Reading items.

use std::future::Future;

use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use super::{handle::Session, state::Phase};
use crate::{Result, SessionId, Snapshot, snapshot::decode};

impl Session {
    /// Reads one item, or `None` if there is no such item or no session.
    ///
    /// The other items are not decoded. With a storage of items one round trip; with a storage
    /// of whole sessions one for the first need of the request.
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
            let get = async |id: SessionId| self.storage().get(&id, key).await;
            let item = self.ask_item(get, Option::is_some).await?;
            return item.flatten().map(|item| decode(item.get())).transpose();
        }
        let decoded = |item: Option<&RawValue>| item.map(|item| decode(item.get())).transpose();
        if let Some(changed) = self.changed(key, decoded)? {
            return changed;
        }
        self.load().await?.map_or(Ok(None), |session| session.get(key))
    }

    /// Reads one item, or returns `default` if there is no such item or no session.
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
        Ok(self.get(key).await?.unwrap_or(default))
    }

    /// Whether there is such an item. Costs what [`get`](Self::get) costs, without the item.
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
            let contains = async |id: SessionId| self.storage().contains(&id, key).await;
            return Ok(self.ask_item(contains, |there| *there).await?.unwrap_or(false));
        }
        if let Some(is_set) = self.changed(key, |item| item.is_some())? {
            return Ok(is_set);
        }
        Ok(self.load().await?.is_some_and(|session| session.item(key).is_some()))
    }

    /// Counts the items; 0 if there is no session. Costs what [`get`](Self::get) costs.
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
            return Ok(self.ask_item(size, |size| *size > 0).await?.unwrap_or(0));
        }
        Ok(self.data().await?.map_or(0, |session| session.len()))
    }

    /// Reads the whole session, with the changes made here, or `None` if there is none.
    ///
    /// With any storage one round trip at most. No item is decoded.
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
    /// let items = session.data().await?.expect("there is one now");
    /// assert_eq!(items.to_json(), r#"{"age":42,"name":"bob"}"#);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "entries")]
    pub async fn data(&self) -> Result<Option<Snapshot>> {
        let base = self.load().await?;
        let state = self.state();
        Ok(match &state.pending {
            Some(pending) => pending.apply(base.as_ref()),
            None => base,
        })
    }

    /// What is to become of an item by changes not yet stored, if they speak of it.
    fn changed<T>(
        &self,
        key: &str,
        read: impl FnOnce(Option<&RawValue>) -> T,
    ) -> Result<Option<T>> {
        let state = self.state();
        state.check()?;
        Ok(state.pending.as_ref().and_then(|pending| pending.get(key)).map(read))
    }

    /// Asks a storage of items; an answer that only a session can give proves the claim.
    async fn ask_item<T, F: Future<Output = Result<T>>>(
        &self,
        question: impl FnOnce(SessionId) -> F,
        is_proof: impl FnOnce(&T) -> bool,
    ) -> Result<Option<T>> {
        let Some(id) = self.checked_id()? else { return Ok(None) };
        let answer = self.ask(question(id.clone())).await?;
        let mut state = self.state();
        if !matches!(state.phase, Phase::Absent | Phase::Closed) {
            state.used = true;
        }
        if is_proof(&answer) {
            state.prove(id);
        }
        Ok(Some(answer))
    }
}
