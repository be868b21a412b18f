//! Changing an item depending on what it is.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{handle::Session, wait::Access};
use crate::{
    Changes, Error, ItemSwap, Result, SessionId, Snapshot, SwapOptions, changes::encode,
    snapshot::META_KEY,
};

impl Session {
    /// Replaces one item by what `change` makes of it, and returns the new one.
    ///
    /// `None` stands for no such item, and for no session, which then begins. The item is stored
    /// when this returns. **Atomic** against every other request, on every node: of a thousand
    /// concurrent increments none is lost. `change` is called again with the item as it is then if
    /// another request has changed it meanwhile, so it should do nothing else. If it panics, or
    /// this request is dropped, nothing has changed.
    ///
    /// Costs one round trip if the item is known, as after a read from a storage of whole sessions,
    /// otherwise two. Each conflict costs one more with a storage of items, and two with one of
    /// whole sessions. Stores pending changes first.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if the item is not a `T`; [`Error::Encode`] as in [`set`](Self::set);
    /// [`Error::ReservedKey`] for the key `$meta`; otherwise as described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// let add = |visits: Option<u32>| visits.unwrap_or(0) + 1;
    /// assert_eq!(session.update("visits", add).await?, 1);
    /// assert_eq!(session.update("visits", add).await?, 2);
    /// # Ok(()) }
    /// ```
    pub async fn update<T: Serialize + DeserializeOwned>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<T>) -> T,
    ) -> Result<T> {
        let change = |item: Option<&RawValue>| {
            let old = item.map(|item| self.decode(key, item.get())).transpose()?;
            let new = change(old);
            Ok((Some(encode(&new)?), new))
        };
        self.swap(key, change).await
    }

    /// Like [`update`](Self::update), with `default` instead of an item that does not exist or is
    /// `null`.
    ///
    /// # Errors
    ///
    /// As [`update`](Self::update).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// let cart: Vec<String> = session
    ///     .update_or("cart", Vec::new(), |mut cart: Vec<String>| {
    ///         cart.push("apple".to_owned());
    ///         cart
    ///     })
    ///     .await?;
    /// assert_eq!(cart, ["apple"]);
    /// # Ok(()) }
    /// ```
    pub async fn update_or<T: Clone + Serialize + DeserializeOwned>(
        &self,
        key: &str,
        default: T,
        mut change: impl FnMut(T) -> T,
    ) -> Result<T> {
        let change = |item: Option<&RawValue>| {
            let old = item.map(|item| self.decode::<Option<T>>(key, item.get())).transpose()?;
            let new = change(old.flatten().unwrap_or_else(|| default.clone()));
            Ok((Some(encode(&new)?), new))
        };
        self.swap(key, change).await
    }

    /// Removes one item and returns it, or `None` if there is no such item or no session.
    ///
    /// For messages that are shown once. **Atomic** like [`update`](Self::update): of concurrent
    /// requests, on whatever nodes, exactly one is given the item. Costs as many round trips as
    /// `update`. Removing the last item does not end the session.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if the item is not a `T`; it is not removed then. Otherwise as described
    /// [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.set("flash", "Saved.").await?;
    /// assert_eq!(session.take::<String>("flash").await?.as_deref(), Some("Saved."));
    /// assert_eq!(session.take::<String>("flash").await?, None);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "pop")]
    #[doc(alias = "remove_as")]
    #[doc(alias = "flash")]
    pub async fn take<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let take = |item: Option<&RawValue>| {
            let taken = item.map(|item| self.decode(key, item.get())).transpose()?;
            Ok((None, taken))
        };
        self.swap(key, take).await
    }

    /// Stores what `change` makes of an item, and returns what it returns beside it.
    async fn swap<R>(
        &self,
        key: &str,
        mut change: impl FnMut(Option<&RawValue>) -> Result<(Option<Box<RawValue>>, R)>,
    ) -> Result<R> {
        if key == META_KEY {
            return Err(Error::ReservedKey);
        }
        self.state().check(Access::Write)?;
        let _transition = self.transition(Access::Write).await?;
        self.save_locked().await?;
        loop {
            let session =
                if self.is_whole() { self.load_locked(Access::Write).await? } else { None };
            let Some(id) = self.checked_id(Access::Write)? else {
                let (new, result) = change(None)?;
                let mut changes = Changes::new();
                new.into_iter().for_each(|new| changes.set(key, new));
                self.store_locked(&changes).await?;
                return Ok(result);
            };
            let seen = match &session {
                Some(session) => session.get(key)?,
                // The update restarts the time to live, of which the index of users has to know.
                None if self.manager().needs_metadata() || self.storage().users().is_some() => {
                    let read = self.storage().get_with_metadata(&id, key);
                    let found = self.wait_for(Access::Write, read).await?;
                    let marker = found.as_ref().filter(|found| found.is_marker());
                    if marker.is_some_and(|marker| self.follow_marker(&id, marker)) {
                        continue;
                    }
                    let meta = found.as_ref().and_then(Snapshot::boxed_meta);
                    self.state().note_metadata(meta);
                    found.map_or(Ok(None), |found| found.get(key))?
                }
                None => self.wait_for(Access::Write, self.storage().get(&id, key)).await?,
            };
            if let Some(result) =
                self.swap_in(&id, key, session.as_ref(), seen, &mut change).await?
            {
                return Ok(result);
            }
        }
    }

    /// Swaps an item of the session with this id. Returns `None` if the id is unknown and another
    /// claim is to be tried, or a new session to be started.
    async fn swap_in<R>(
        &self,
        id: &SessionId,
        key: &str,
        mut session: Option<&Snapshot>,
        mut seen: Option<Box<RawValue>>,
        change: &mut impl FnMut(Option<&RawValue>) -> Result<(Option<Box<RawValue>>, R)>,
    ) -> Result<Option<R>> {
        let mut turn = None;
        loop {
            let (new, result) = change(seen.as_deref())?;
            if new.is_none() && seen.is_none() && self.state().is_known() {
                // There is nothing to remove.
                return Ok(Some(result));
            }
            let (began, lifetime) = (tokio::time::Instant::now(), self.manager().lifetime());
            let options = SwapOptions::ttl(lifetime.ttl).lifetime(lifetime).session(session.take());
            let swap = self.storage().swap_item(id, key, seen.as_deref(), new.as_deref(), options);
            match self.wait_for(Access::Write, swap).await? {
                ItemSwap::Saved => {
                    let mut state = self.state();
                    state.check(Access::Write)?;
                    self.manager().note_stored(id, began, state.facts());
                    state.used = true;
                    state.stored = true;
                    state.set_known(id.clone(), None);
                    return Ok(Some(result));
                }
                ItemSwap::Changed(now) => {
                    seen = now;
                    if turn.is_none() {
                        turn = Some(Box::pin(self.turn(id)).await?);
                    }
                }
                ItemSwap::Missing => {
                    self.explain_refused(id).await?;
                    return Ok(None);
                }
            }
        }
    }
}
