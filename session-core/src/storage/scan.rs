//! Going through all sessions of a store.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{Result, SessionId};

/// A storage that can list its sessions, for administration.
///
/// No request needs it. [`Storage::scanner`](super::Storage::scanner) returns it.
///
/// # Examples
///
/// ```
/// # use session_core::*;
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
/// let storage = MemoryStorage::new();
/// let items = Snapshot::parse(r#"{"name":"bob"}"#).unwrap().unwrap();
/// let (items, hour) = (Changes::between(None, &items), std::time::Duration::from_secs(3600));
/// storage.set_session(&SessionId::random(), &items, SetOptions::create(hour)).await?;
///
/// // With `HashedIds`, the ids are those of the store.
/// let storage = storage.by_stored_id().unwrap_or(&storage);
/// let scanner = storage.scanner().expect("this storage can list its sessions");
/// let (mut sessions, mut next) = (0, None);
/// loop {
///     let page = scanner.scan(next.as_deref()).await?;
///     for id in &page.ids {
///         // It may have expired meanwhile, or be the marker of a renewed id.
///         let session = storage.get_session(id).await?;
///         sessions += usize::from(session.is_some_and(|session| !session.is_marker()));
///     }
///     next = page.next;
///     if next.is_none() {
///         break;
///     }
/// }
/// assert_eq!(sessions, 1);
/// # Ok(()) }
/// ```
#[async_trait]
pub trait Scan: Debug + Send + Sync {
    /// Returns the ids of some entries, and where to go on. `None` asks for the first page.
    ///
    /// The ids are those under which the store keeps the sessions, in no order. Whoever asks for
    /// page after page finds every session that exists all the time, unless the sessions are moved
    /// to another server meanwhile. An id may come twice, and entries that are no sessions may be
    /// among them: markers, expired ones, and what the storage cannot read. So read each of them.
    ///
    /// A page has a bounded number of ids, and may have none although others follow. No session is
    /// read, and none is extended.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`](crate::Error::Storage) or [`Error::Timeout`](crate::Error::Timeout)
    /// if the store fails, or if `page` is none of this storage.
    async fn scan(&self, page: Option<&str>) -> Result<Page>;
}

/// Some of the entries in a store.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// The ids, as the store knows them.
    pub ids: Vec<SessionId>,
    /// What [`Scan::scan`] has to be given for the next page, or `None` if this is the last one.
    ///
    /// Keep it out of logs: it may contain an id.
    pub next: Option<String>,
}

impl Page {
    /// Creates a page of a storage of your own.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Page, SessionId};
    ///
    /// let last = Page::new(vec![SessionId::random()], None);
    /// assert_eq!(last.ids.len(), 1);
    /// ```
    #[must_use]
    pub fn new(ids: Vec<SessionId>, next: Option<String>) -> Self {
        Self { ids, next }
    }
}
