//! Which sessions a user has.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;

use crate::{Result, SessionId};

/// An index of the sessions of each user, which a [`Storage`](super::Storage) may have.
///
/// An entry is an id, and expires by itself. The index is a superset of the sessions: an entry is
/// added before a session becomes one of the user, and removed after it has ended. So nothing is
/// missing from it, whatever dies in between, and it may have entries without a session.
///
/// An entry can be *ended*: then its session is being ended, and is not to be renewed any more.
///
/// # The contract
///
/// - Each method is one atomic step for every other reader and writer of the same user's entries,
///   in every process that shares the store.
/// - Entries that have expired do not exist. When the last one of a user has expired, nothing of
///   the user is left in the store.
/// - The index has no place among the sessions: no id that a client can send gives access to it.
/// - Neither ids nor names of users appear in errors or logs.
///
/// The errors are those of [`Storage`](super::Storage).
#[async_trait]
pub trait UserIndex: Debug + Send + Sync {
    /// Adds an entry. One that exists lives for the new time, unless it would live longer anyway.
    ///
    /// Returns `false`, and changes nothing, if this id or [`from`](field@NewEntry::from) is ended,
    /// or the user has more other entries than [`max_others`](field@NewEntry::max_others), ended
    /// ones not counted.
    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> Result<bool>;

    /// Returns the entries of a user, in no order.
    async fn list(&self, user: &str) -> Result<Vec<UserEntry>>;

    /// Marks entries as ended. They expire when they would have expired anyway; an id without an
    /// entry is remembered for a minute.
    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()>;

    /// Removes entries, ended or not.
    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()>;
}

/// An entry to add to a [`UserIndex`].
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NewEntry<'a> {
    /// How long the entry lives.
    pub ttl: Duration,
    /// How many entries that are not ended the user may have beside this one.
    pub max_others: Option<usize>,
    /// The id that the session had before.
    pub from: Option<&'a SessionId>,
    /// Whether the entry of that id is removed in the same step.
    pub removes_from: bool,
}

impl<'a> NewEntry<'a> {
    /// An entry that lives for a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::NewEntry;
    /// assert_eq!(NewEntry::ttl(Duration::from_secs(60)).max_others, None);
    /// ```
    #[must_use]
    pub const fn ttl(ttl: Duration) -> Self {
        Self { ttl, max_others: None, from: None, removes_from: false }
    }

    /// Sets how many other entries the user may have.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::NewEntry;
    /// let only = NewEntry::ttl(Duration::from_secs(60)).max_others(Some(0));
    /// assert_eq!(only.max_others, Some(0));
    /// ```
    #[must_use]
    pub const fn max_others(self, max_others: Option<usize>) -> Self {
        Self { max_others, ..self }
    }

    /// An entry for a session that is to be renewed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{NewEntry, SessionId};
    /// let old = SessionId::random();
    /// assert_eq!(NewEntry::ttl(Duration::from_secs(60)).renewing(&old).from, Some(&old));
    /// ```
    #[must_use]
    pub const fn renewing(self, from: &'a SessionId) -> Self {
        Self { from: Some(from), ..self }
    }

    /// An entry for a session that has been renewed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{NewEntry, SessionId};
    /// let old = SessionId::random();
    /// assert!(NewEntry::ttl(Duration::from_secs(60)).renewed(&old).removes_from);
    /// ```
    #[must_use]
    pub const fn renewed(self, from: &'a SessionId) -> Self {
        Self { from: Some(from), removes_from: true, ..self }
    }
}

/// An entry of a [`UserIndex`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UserEntry {
    /// The id, as the store knows it.
    pub id: SessionId,
    /// Whether the session is being ended, or has ended.
    pub is_ended: bool,
}

impl UserEntry {
    /// An entry as it is in the store.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{SessionId, UserEntry};
    /// assert!(!UserEntry::new(SessionId::random(), false).is_ended);
    /// ```
    #[must_use]
    pub const fn new(id: SessionId, is_ended: bool) -> Self {
        Self { id, is_ended }
    }
}
