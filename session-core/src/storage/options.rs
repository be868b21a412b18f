//! How a storage is asked to write, and what it answers.

use std::{sync::Arc, time::Duration};

use serde_json::value::RawValue;

use super::condition::Condition;
use crate::{Changes, Lifetime, Snapshot};

/// The options of [`Storage::set_session`](super::Storage::set_session).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SetOptions<'a> {
    /// The condition of the write.
    pub mode: WriteMode,
    /// How long the session lives, counted from the write.
    pub lifetime: Lifetime,
    /// The session as the caller last saw it, which may spare the storage a read. If the session
    /// has changed since, the changes are applied to what is stored now.
    pub seen: Option<&'a Snapshot>,
    /// What leads from a marker to the new id, for [`WriteMode::Retire`].
    pub salt: Option<&'a str>,
    /// What the session has to be, for [`WriteMode::Update`]. A storage of items does not ask.
    pub condition: Option<&'a Arc<dyn Condition>>,
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
        Self::new(WriteMode::Create, Lifetime::idle(ttl), None)
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
        Self::new(WriteMode::Update, Lifetime::idle(ttl), None)
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
    /// assert_eq!(update.apply(&changes, Some(&seen)).expect("it is unchanged").0, other);
    /// assert_eq!(update.apply(&changes, Some(&other)), None, "it has changed meanwhile");
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub const fn update_seen(seen: &'a Snapshot, ttl: Duration) -> Self {
        Self::new(WriteMode::UpdateSeen, Lifetime::idle(ttl), Some(seen))
    }

    /// Replaces a session by the marker of a renewal, for `grace`: refused if it is no longer as it
    /// was seen.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Changes, SetOptions, Snapshot};
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
    /// let retire = SetOptions::retire(&session, Duration::from_secs(30));
    /// let (marker, ttl) = retire.apply(&Changes::new(), Some(&session)).expect("it is unchanged");
    /// assert!(marker.is_marker() && ttl.as_secs() == 30);
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub const fn retire(seen: &'a Snapshot, grace: Duration) -> Self {
        Self::new(WriteMode::Retire, Lifetime::exactly(grace), Some(seen))
    }

    const fn new(mode: WriteMode, lifetime: Lifetime, seen: Option<&'a Snapshot>) -> Self {
        Self { mode, lifetime, seen, salt: None, condition: None }
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

    /// Sets how long the session lives, counted from the write.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Lifetime, SetOptions};
    /// let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
    /// let update = SetOptions::update(hour).lifetime(Lifetime::idle(hour).absolute(Some(day)));
    /// assert_eq!(update.lifetime.absolute, Some(day));
    /// ```
    #[must_use]
    pub const fn lifetime(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
    }

    /// Sets what the session has to be that is changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{sync::Arc, time::Duration};
    /// # use session_core::{Changes, Condition, SetOptions, Snapshot};
    /// #[derive(Debug)]
    /// struct IsEmpty;
    ///
    /// impl Condition for IsEmpty {
    ///     fn is_met_by(&self, stored: &Snapshot) -> bool {
    ///         stored.is_empty()
    ///     }
    /// }
    ///
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
    /// let is_empty: Arc<dyn Condition> = Arc::new(IsEmpty);
    /// let update = SetOptions::update(Duration::from_secs(60)).condition(&is_empty);
    /// assert!(update.apply(&Changes::new(), Some(&session)).is_none());
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub const fn condition(self, condition: &'a Arc<dyn Condition>) -> Self {
        Self { condition: Some(condition), ..self }
    }

    /// Sets what leads from the marker of a retired session to the new id.
    pub(crate) fn salt(self, salt: Option<&'a str>) -> Self {
        Self { salt, ..self }
    }

    /// Applies changes to the session that is stored under an id. Returns the session to store and
    /// its time to live, or `None` if the write has to be refused.
    ///
    /// A storage that calls this inside its atomic step needs no knowledge of modes and lifetimes.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Changes, SetOptions, Snapshot};
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
    /// let changes = Changes::between(None, &session);
    /// let ttl = Duration::from_secs(60);
    /// assert_eq!(SetOptions::create(ttl).apply(&changes, None), Some((session.clone(), ttl)));
    /// assert_eq!(SetOptions::create(ttl).apply(&changes, Some(&session)), None, "it is taken");
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn apply(
        &self,
        changes: &Changes,
        stored: Option<&Snapshot>,
    ) -> Option<(Snapshot, Duration)> {
        let session = stored.filter(|stored| !stored.is_marker());
        // What has ended is written no more, however long the store would keep it.
        let session = session.filter(|session| self.lifetime.ttl_of(session).is_some());
        let new = match self.mode {
            WriteMode::Create if stored.is_some() || !changes.creates() => None,
            WriteMode::Create => changes.apply(None),
            WriteMode::Update => {
                let session = session
                    .filter(|now| self.condition.is_none_or(|condition| condition.is_met_by(now)));
                changes.apply(Some(session?))
            }
            WriteMode::UpdateSeen => {
                let session =
                    session.filter(|now| self.seen.is_some_and(|seen| seen.is_same_session(now)));
                changes.apply(Some(session?))
            }
            WriteMode::Retire => {
                let is_as_seen = self.seen?.is_same_session(session?);
                is_as_seen.then(|| Snapshot::marker(self.salt))
            }
        }?;
        let ttl = self.lifetime.ttl_of(&new)?;
        Some((new, ttl))
    }
}

/// [`SetOptions`] that are not borrowed, for work on another thread.
#[cfg(any(feature = "memory", feature = "file", feature = "redis"))]
pub(crate) struct OwnedSetOptions {
    mode: WriteMode,
    lifetime: Lifetime,
    seen: Option<Snapshot>,
    salt: Option<String>,
    condition: Option<Arc<dyn Condition>>,
}

#[cfg(any(feature = "memory", feature = "file", feature = "redis"))]
impl OwnedSetOptions {
    pub(crate) fn borrowed(&self) -> SetOptions<'_> {
        let Self { mode, lifetime, .. } = *self;
        let (seen, salt) = (self.seen.as_ref(), self.salt.as_deref());
        SetOptions { mode, lifetime, seen, salt, condition: self.condition.as_ref() }
    }
}

#[cfg(any(feature = "memory", feature = "file", feature = "redis"))]
impl From<SetOptions<'_>> for OwnedSetOptions {
    fn from(options: SetOptions<'_>) -> Self {
        let SetOptions { mode, lifetime, seen, salt, condition } = options;
        let (seen, salt) = (seen.cloned(), salt.map(ToOwned::to_owned));
        Self { mode, lifetime, seen, salt, condition: condition.cloned() }
    }
}

/// The options of [`Storage::rename`](super::Storage::rename).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RenameOptions<'a> {
    /// How long a [marker](Snapshot::is_marker) remains at the old id; none if zero.
    pub grace: Duration,
    /// What leads from the marker to the new id. Without it, nothing does.
    pub salt: Option<&'a str>,
}

impl<'a> RenameOptions<'a> {
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
        Self { grace, salt: None }
    }

    /// Notes in the marker what leads to the new id.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::RenameOptions;
    /// let options = RenameOptions::grace(Duration::from_secs(30)).salt("ge3tqmzwgiydenjt");
    /// assert_eq!(options.salt, Some("ge3tqmzwgiydenjt"));
    /// ```
    #[must_use]
    pub const fn salt(self, salt: &'a str) -> Self {
        Self { salt: Some(salt), ..self }
    }

    /// Returns the marker to leave at the old id, if one is wanted.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::RenameOptions;
    /// assert!(RenameOptions::default().marker().is_none());
    /// assert!(RenameOptions::grace(Duration::from_secs(30)).marker().is_some_and(|m| m.is_marker()));
    /// ```
    #[must_use]
    pub fn marker(&self) -> Option<Snapshot> {
        (!self.grace.is_zero()).then(|| Snapshot::marker(self.salt))
    }
}

/// The result of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Written {
    /// The condition did not hold; nothing was written.
    Refused,
    /// The items and the time to live are stored.
    Saved,
    /// They are stored, and the session is one of a user. With its metadata: a session without
    /// items.
    SavedOfUser(Snapshot),
}

impl Written {
    /// The result of a write that has stored this session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Snapshot, Written};
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?.expect("it has items");
    /// assert_eq!(Written::saved(&session), Written::Saved);
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn saved(session: &Snapshot) -> Self {
        if session.has_login() { Self::SavedOfUser(session.without_items()) } else { Self::Saved }
    }

    /// Returns whether the items and the time to live are stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Written;
    /// assert!(Written::Saved.is_saved());
    /// assert!(!Written::Refused.is_saved());
    /// ```
    #[must_use]
    pub const fn is_saved(&self) -> bool {
        !matches!(self, Self::Refused)
    }
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
    /// How long the session lives, counted from the write.
    pub lifetime: Lifetime,
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
        Self { lifetime: Lifetime::idle(ttl), session: None }
    }

    /// Sets how long the session lives, counted from the write.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// # use session_core::{Lifetime, SwapOptions};
    /// let minute = Duration::from_secs(60);
    /// let options = SwapOptions::ttl(minute).lifetime(Lifetime::exactly(minute));
    /// assert_eq!(options.lifetime.ttl, minute);
    /// ```
    #[must_use]
    pub const fn lifetime(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
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
