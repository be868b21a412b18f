//! How a storage is asked to write, and what it answers.

use std::time::Duration;

use serde_json::value::RawValue;

use super::MAX_TTL;
use crate::{Changes, Snapshot};

/// The options of [`Storage::set_session`](super::Storage::set_session).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SetOptions<'a> {
    /// The condition of the write.
    pub mode: WriteMode,
    /// The time to live, counted from the write.
    pub ttl: Duration,
    /// The session as the caller last saw it, which may spare the storage a read. If the session has
    /// changed since, the changes are applied to what is stored now.
    pub seen: Option<&'a Snapshot>,
}

/// The condition of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WriteMode {
    /// Writes only if the id is free.
    Create,
    /// Writes only if the session exists.
    Update,
    /// Writes only if the session still has the items and metadata that were seen.
    UpdateSeen,
    /// Replaces the session by the [marker](Snapshot::is_marker) of a renewal, only if it still has
    /// the items and metadata that were seen.
    Retire,
}

impl<'a> SetOptions<'a> {
    /// Creates a session: refused if the id is taken, or if the changes set no item.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Changes, SetOptions, Snapshot};
    /// let create = SetOptions::create(Duration::from_secs(60));
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
    /// assert!(create.apply(&Changes::between(None, &session), None).is_some());
    /// assert!(create.apply(&Changes::new(), None).is_none(), "a new session has items");
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub const fn create(ttl: Duration) -> Self {
        Self { mode: WriteMode::Create, ttl, seen: None }
    }

    /// Changes an existing session: refused if there is none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Changes, SetOptions, Snapshot};
    /// let update = SetOptions::update(Duration::from_secs(60));
    /// assert!(update.apply(&Changes::new(), None).is_none(), "an update never creates");
    /// ```
    #[must_use]
    pub const fn update(ttl: Duration) -> Self {
        Self { mode: WriteMode::Update, ttl, seen: None }
    }

    /// Changes a session that is still as it was seen: refused if it has changed or is gone.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Changes, SetOptions, Snapshot};
    /// let parse = |text| Snapshot::parse(text).map(|session| session.expect("it has items"));
    /// let (seen, other) = (parse(r#"{"visits":1}"#)?, parse(r#"{"visits":2}"#)?);
    /// let update = SetOptions::update_seen(&seen, Duration::from_secs(60));
    /// let changes = Changes::between(Some(&seen), &other);
    /// assert_eq!(update.apply(&changes, Some(&seen)), Some(other.clone()));
    /// assert_eq!(update.apply(&changes, Some(&other)), None, "it has changed meanwhile");
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub const fn update_seen(seen: &'a Snapshot, ttl: Duration) -> Self {
        Self { mode: WriteMode::UpdateSeen, ttl, seen: Some(seen) }
    }

    /// Replaces a session by the marker of a renewal, for `grace`: refused if it is no longer as it was
    /// seen.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Changes, SetOptions, Snapshot};
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
    /// let retire = SetOptions::retire(&session, Duration::from_secs(30));
    /// let marker = retire.apply(&Changes::new(), Some(&session)).expect("it is as it was seen");
    /// assert!(marker.is_marker());
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub const fn retire(seen: &'a Snapshot, grace: Duration) -> Self {
        Self { mode: WriteMode::Retire, ttl: grace, seen: Some(seen) }
    }

    /// Passes on the session as the caller last saw it, if it did.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{SetOptions, Snapshot};
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
    /// let update = SetOptions::update(Duration::from_secs(60)).seen(&session);
    /// assert_eq!(update.seen, Some(&session));
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn seen(self, session: impl Into<Option<&'a Snapshot>>) -> Self {
        Self { seen: session.into(), ..self }
    }

    /// Applies changes to the session that is stored under an id, or returns `None` if the write has
    /// to be refused.
    ///
    /// A storage that calls this inside its atomic step needs no knowledge of the modes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Changes, SetOptions, Snapshot};
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
    /// let changes = Changes::between(None, &session);
    /// let ttl = Duration::from_secs(60);
    /// assert_eq!(SetOptions::create(ttl).apply(&changes, None), Some(session.clone()));
    /// assert_eq!(SetOptions::create(ttl).apply(&changes, Some(&session)), None, "it is taken");
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn apply(&self, changes: &Changes, stored: Option<&Snapshot>) -> Option<Snapshot> {
        let session = stored.filter(|stored| !stored.is_marker());
        match self.mode {
            WriteMode::Create if stored.is_some() || !changes.creates() => None,
            WriteMode::Create => changes.apply(None),
            WriteMode::Update => changes.apply(Some(session?)),
            WriteMode::UpdateSeen => {
                let session =
                    session.filter(|now| self.seen.is_some_and(|seen| seen.is_same_session(now)));
                changes.apply(Some(session?))
            }
            WriteMode::Retire => {
                let is_as_seen = self.seen?.is_same_session(session?);
                is_as_seen.then(Snapshot::marker)
            }
        }
    }
}

/// The options of [`Storage::rename`](super::Storage::rename).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenameOptions {
    /// How long a [marker](Snapshot::is_marker) remains at the old id; none if zero.
    pub grace: Duration,
}

impl RenameOptions {
    /// Leaves a marker at the old id for a time.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::RenameOptions;
    /// assert!(RenameOptions::default().grace.is_zero(), "no marker");
    /// assert_eq!(RenameOptions::grace(Duration::from_secs(30)).grace.as_secs(), 30);
    /// ```
    #[must_use]
    pub const fn grace(grace: Duration) -> Self {
        Self { grace }
    }
}

/// The bounds of a time to live, for [`Storage::update_ttl`](super::Storage::update_ttl).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TtlRange {
    /// Extends a time to live that is shorter.
    pub at_least: Duration,
    /// Shortens a time to live that is longer.
    pub at_most: Duration,
}

impl TtlRange {
    /// Extends a time to live to at least this one, and shortens none.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::TtlRange;
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(TtlRange::at_least(minute).clamp(minute / 2), minute);
    /// assert_eq!(TtlRange::at_least(minute).clamp(minute * 2), minute * 2);
    /// ```
    #[must_use]
    pub const fn at_least(ttl: Duration) -> Self {
        Self { at_least: ttl, at_most: MAX_TTL }
    }

    /// Sets the upper bound. The lower bound wins if it is longer.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::TtlRange;
    /// let minute = Duration::from_secs(60);
    /// let range = TtlRange::at_least(minute).at_most(minute * 2);
    /// assert_eq!(range.clamp(minute * 3), minute * 2);
    /// ```
    #[must_use]
    pub const fn at_most(self, ttl: Duration) -> Self {
        Self { at_most: ttl, ..self }
    }

    /// Returns the time to live within the range that is nearest to `left`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::TtlRange;
    /// let minute = Duration::from_secs(60);
    /// assert_eq!(TtlRange::at_least(minute).clamp(minute), minute);
    /// ```
    #[must_use]
    pub fn clamp(&self, left: Duration) -> Duration {
        left.min(self.at_most).max(self.at_least)
    }
}

/// The result of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// The condition did not hold; nothing was written.
    Refused,
    /// The items and the time to live are stored.
    Saved,
}

/// The result of [`Storage::swap_item`](super::Storage::swap_item).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ItemSwap {
    /// The item and the time to live are stored.
    Saved,
    /// Nothing was written: this is the item now, or there is none.
    Changed(Option<Box<RawValue>>),
    /// There is no session.
    Missing,
}

/// The options of [`Storage::swap_item`](super::Storage::swap_item).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SwapOptions<'a> {
    /// The time to live, counted from the write.
    pub ttl: Duration,
    /// The session as the caller last saw it, which may spare a storage of whole sessions a read.
    pub session: Option<&'a Snapshot>,
}

impl<'a> SwapOptions<'a> {
    /// Sets the time to live.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::SwapOptions;
    /// let options = SwapOptions::ttl(Duration::from_secs(60));
    /// assert!(options.session.is_none());
    /// ```
    #[must_use]
    pub const fn ttl(ttl: Duration) -> Self {
        Self { ttl, session: None }
    }

    /// Passes on the session as the caller last saw it, if it did.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Snapshot, SwapOptions};
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
    /// let options = SwapOptions::ttl(Duration::from_secs(60)).session(&session);
    /// assert_eq!(options.session, Some(&session));
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn session(self, session: impl Into<Option<&'a Snapshot>>) -> Self {
        Self { session: session.into(), ..self }
    }
}

/// Whether a storage handles sessions as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Granularity {
    /// A session is read whole on first need and changed in memory; its changes are written once,
    /// when it closes.
    Whole,
    /// Every operation on an item is sent to the store at once; nothing else is fetched.
    Item,
}
