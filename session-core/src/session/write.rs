//! Changing, saving and ending a session.

use serde::{Serialize, ser::Error as _};

use super::{handle::Session, keys::Keys, state::Phase, wait::Access};
use crate::{Changes, Error, Result, Snapshot, Written, changes::encode, snapshot::META_KEY};

impl Session {
    /// Sets one item to a value that serde can serialize as JSON.
    ///
    /// A [`RawValue`](serde_json::value::RawValue) is stored byte for byte; `serde_json::Value` in
    /// between would change numbers. Starts a session under a fresh id if there is none. Costs one
    /// round trip with a storage of items (two if the claimed id is unknown), and none before
    /// `close` with a storage of whole sessions.
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] if the value cannot be serialized as JSON, or contains NaN or an infinity;
    /// [`Error::ReservedKey`] for the key `$meta`; otherwise as described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// #[derive(serde::Serialize, serde::Deserialize)]
    /// struct Theme {
    ///     dark: bool,
    /// }
    ///
    /// session.set("name", "bob").await?;
    /// session.set("theme", Theme { dark: true }).await?;
    /// assert!(session.get::<Theme>("theme").await?.is_some_and(|theme| theme.dark));
    /// # Ok(()) }
    /// ```
    #[doc(alias = "insert")]
    #[doc(alias = "put")]
    pub async fn set(&self, key: &str, value: impl Serialize) -> Result<()> {
        if key == META_KEY {
            return Err(Error::ReservedKey);
        }
        let mut changes = Changes::new();
        changes.set(key, encode(&value)?);
        self.change(changes).await
    }

    /// Sets several items in one step: the fields of a value that serializes as a JSON object.
    ///
    /// Costs as many round trips as one [`set`](Self::set). An empty map changes nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Encode`] if the value does not serialize as a JSON object, or contains NaN or an
    /// infinity; [`Error::ReservedKey`] for the key `$meta`; otherwise as described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// #[derive(serde::Serialize)]
    /// struct Visitor {
    ///     name: &'static str,
    ///     age: u8,
    /// }
    ///
    /// session.set_map(Visitor { name: "bob", age: 42 }).await?;
    /// assert_eq!(session.get::<u8>("age").await?, Some(42));
    /// # Ok(()) }
    /// ```
    pub async fn set_map(&self, items: impl Serialize) -> Result<()> {
        let object = encode(&items)?;
        let items = Snapshot::parse(object.get())
            .map_err(|_| Error::Encode(serde_json::Error::custom("not a map")))?;
        if items.as_ref().is_some_and(|items| items.meta().is_some()) {
            return Err(Error::ReservedKey);
        }
        self.change(items.map_or_else(Changes::new, |items| Changes::between(None, &items))).await
    }

    /// Removes one or several items. Keys without an item are ignored.
    ///
    /// Costs as many round trips as one [`set`](Self::set), whatever the number of keys. Removing
    /// the last item does not end the session; [`remove_all`](Self::remove_all) does.
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
    /// session.set("age", 42).await?;
    /// session.remove("age").await?;
    /// assert_eq!(session.size().await?, 1);
    /// session.remove(["name", "size"]).await?;
    /// assert_eq!(session.size().await?, 0);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "Remove")]
    pub async fn remove(&self, keys: impl Keys) -> Result<()> {
        let mut changes = Changes::new();
        keys.into_keys().into_iter().for_each(|key| changes.remove(key));
        self.change(changes).await
    }

    /// Ends the session by removing it from the store at once.
    ///
    /// No request in flight, on any node, can bring it back. Does nothing if there is no session.
    /// Setting an item afterwards starts a new session under a fresh id.
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
    /// session.set("user", "bob").await?;
    /// session.save().await?;
    /// session.remove_all().await?;
    /// assert_eq!(session.id().await?, None);
    /// # Ok(()) }
    /// ```
    #[doc(alias = "purge")]
    #[doc(alias = "flush")]
    #[doc(alias = "clear")]
    #[doc(alias = "destroy")]
    #[doc(alias = "logout")]
    pub async fn remove_all(&self) -> Result<()> {
        let _transition = self.transition(Access::Write).await?;
        while let Some(id) = self.checked_id(Access::Write)? {
            if self.wait_for(Access::Write, self.storage().remove_all(&id, None)).await? {
                let user = self.state().facts().user.flatten().map(ToOwned::to_owned);
                self.ended(&id);
                if let Some(user) = user {
                    Box::pin(self.forget_entry(&user, &id)).await;
                }
                break;
            }
            // The session's new id, or the next claim, if there is one.
            // Not read for each unknown claim, unless it may have been renewed by itself.
            let is_read = self.state().is_known() || self.manager().needs_creation();
            let has_moved = is_read && Box::pin(self.follow(Access::Write, &id)).await?;
            if !has_moved && !self.mark_unknown(&id) {
                break;
            }
        }
        let mut state = self.state();
        state.check(Access::Write)?;
        state.phase = Phase::Absent;
        state.drop_other_claims();
        state.starts_anew = true;
        state.pending = None;
        state.new_id = None;
        Ok(())
    }

    /// Stores the pending changes at once rather than at `close`, so that other requests see them.
    ///
    /// Does nothing with a storage of items, where changes are never pending.
    ///
    /// # Errors
    ///
    /// [`Error::IdTaken`] if the new session's id belongs to another session; otherwise as
    /// described [above](Self).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # let session = manager.open(None);
    /// session.set("state", "working").await?;
    /// session.save().await?;
    /// // Other requests see the state from here on, while this one continues.
    /// # Ok(()) }
    /// ```
    pub async fn save(&self) -> Result<()> {
        self.state().check(Access::Write)?;
        let _transition = self.transition(Access::Write).await?;
        self.save_locked().await
    }

    pub(super) async fn save_locked(&self) -> Result<()> {
        let pending = {
            let mut state = self.state();
            let Some(pending) = state.pending.clone() else { return Ok(()) };
            state.check(Access::Write)?;
            pending
        };
        self.store_locked(&pending).await?;
        self.state().saved(&pending);
        Ok(())
    }

    pub(super) async fn change(&self, changes: Changes) -> Result<()> {
        self.state().check(Access::Write)?;
        if changes.is_empty() {
            return Ok(());
        }
        if self.is_whole() {
            self.state().change(changes);
            return Ok(());
        }
        loop {
            let known = {
                let state = self.state();
                if state.is_known() { state.id() } else { None }
            };
            // Writes to a known session need not wait for each other.
            let Some(id) = known else {
                let _transition = self.transition(Access::Write).await?;
                return self.store_locked(&changes).await;
            };
            match self.write(&id, &changes, None).await? {
                // This request may have renewed or ended the session meanwhile, or be doing so:
                // then the answer to that tells.
                Written::Refused => {
                    let _transition = self.transition(Access::Write).await?;
                    if self.state().is_current(&id) {
                        self.explain_refused(&id).await?;
                    }
                }
                Written::Saved | Written::SavedOfUser(_) => return Ok(()),
            }
        }
    }
}
