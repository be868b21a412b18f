//! The changes that a request makes to a session.

use std::{borrow::Cow, collections::BTreeMap, fmt, iter};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

#[cfg(feature = "encryption")]
use crate::snapshot::{Json, LOGIN_PART};
use crate::{
    Error, Result, Snapshot, finite,
    snapshot::{META_KEY, Meta, MetaChange, NO_META},
};

/// A set of changes to a session: items to set and keys to remove, ordered by key.
///
/// The last change of a key replaces earlier ones. Every write to a storage is a set of changes. An
/// item is JSON text and is stored as it is, so numbers of any size and precision survive.
#[derive(Clone, Default)]
pub struct Changes {
    items: BTreeMap<String, Option<Box<RawValue>>>,
    // Boxed, as few requests change it.
    meta: Option<Box<NewMeta>>,
}

/// A change of a session's metadata.
#[derive(Clone)]
enum NewMeta {
    /// All of it, with which a session is copied.
    Copy(Box<str>),
    Change(MetaChange),
}

impl Changes {
    /// Creates an empty set of changes.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Changes;
    ///
    /// assert!(Changes::new().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets an item.
    ///
    /// # Examples
    ///
    /// ```
    /// use serde_json::value::to_raw_value;
    /// # use session_core::Changes;
    ///
    /// let mut changes = Changes::new();
    /// changes.set("age", to_raw_value(&42)?);
    /// assert!(changes.sets_items());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn set(&mut self, key: impl Into<String>, item: Box<RawValue>) {
        self.insert(key.into(), Some(item));
    }

    /// Removes an item, if it exists.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Changes;
    /// let mut changes = Changes::new();
    /// changes.remove("age");
    /// assert_eq!(changes.get("age").map(|item| item.is_none()), Some(true));
    /// ```
    pub fn remove(&mut self, key: impl Into<String>) {
        self.insert(key.into(), None);
    }

    /// Returns the change of `key`: `Some(None)` if the item is removed, `None` if it is unchanged.
    ///
    /// # Examples
    ///
    /// ```
    /// # use serde_json::value::to_raw_value;
    /// # use session_core::Changes;
    /// let mut changes = Changes::new();
    /// changes.set("age", to_raw_value(&42)?);
    /// assert_eq!(changes.get("age").flatten().map(|item| item.get()), Some("42"));
    /// assert!(changes.get("name").is_none(), "unchanged");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Option<&RawValue>> {
        self.items.get(key).map(Option::as_deref)
    }

    /// Iterates over keys and their new items; the item is `None` if it is removed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use serde_json::value::to_raw_value;
    /// # use session_core::Changes;
    /// let mut changes = Changes::new();
    /// changes.remove("name");
    /// changes.set("age", to_raw_value(&42)?);
    /// let texts = changes.iter().map(|(key, item)| (key, item.map(|item| item.get())));
    /// assert!(texts.eq([("age", Some("42")), ("name", None)]));
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&RawValue>)> {
        self.items.iter().map(|(key, item)| (key.as_str(), item.as_deref()))
    }

    /// Returns whether there are no changes.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Changes;
    /// let mut changes = Changes::new();
    /// assert!(changes.is_empty());
    /// changes.remove("age");
    /// assert!(!changes.is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty() && self.meta.is_none()
    }

    /// Returns whether the changes set an item, so that they can create a session.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Changes;
    /// let mut changes = Changes::new();
    /// changes.remove("age");
    /// assert!(!changes.sets_items());
    /// ```
    #[must_use]
    pub fn sets_items(&self) -> bool {
        self.items.values().any(Option::is_some)
    }

    /// Adds later changes, which replace earlier ones of the same keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # use serde_json::value::to_raw_value;
    /// # use session_core::Changes;
    /// let (mut changes, mut later) = (Changes::new(), Changes::new());
    /// changes.set("age", to_raw_value(&42)?);
    /// later.remove("age");
    /// changes.extend(later);
    /// assert!(!changes.sets_items());
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn extend(&mut self, later: Changes) {
        self.items.extend(later.items);
        match (self.meta.as_deref_mut(), later.meta) {
            (Some(NewMeta::Change(change)), Some(later)) => match *later {
                NewMeta::Change(later) => change.extend(later),
                copy @ NewMeta::Copy(_) => self.meta = Some(Box::new(copy)),
            },
            (_, later @ Some(_)) => self.meta = later,
            (_, None) => {}
        }
    }

    /// Returns a change of the metadata.
    pub(crate) fn of_meta(change: MetaChange) -> Self {
        let meta = (!change.is_empty()).then(|| Box::new(NewMeta::Change(change)));
        Self { items: BTreeMap::new(), meta }
    }

    /// Returns whether metadata is written.
    #[cfg(any(feature = "file", feature = "redis", feature = "encryption"))]
    pub(crate) fn has_meta(&self) -> bool {
        self.meta.is_some()
    }

    /// Returns whether the metadata changes, depending on what it is.
    #[cfg(feature = "redis")]
    pub(crate) fn changes_meta(&self) -> bool {
        matches!(self.meta.as_deref(), Some(NewMeta::Change(_)))
    }

    /// Returns the same changes with other items.
    #[cfg(feature = "encryption")]
    pub(crate) fn map_items(&self, map: impl Fn(&str, &RawValue) -> Box<RawValue>) -> Self {
        let map = |(key, item): (&str, Option<&RawValue>)| {
            (key.to_owned(), item.map(|item| map(key, item)))
        };
        let mut items = BTreeMap::new();
        // `collect` would sort them first.
        items.extend(self.iter().map(map));
        Self { items, meta: self.meta.clone() }
    }

    /// Returns the same changes with another login in the metadata, if they have one.
    #[cfg(feature = "encryption")]
    pub(crate) fn map_login(mut self, map: impl FnOnce(Json) -> Json) -> Self {
        match self.meta.as_deref_mut() {
            Some(NewMeta::Change(change)) => change.login = change.login.take().map(map),
            Some(NewMeta::Copy(text)) if text.contains(LOGIN_PART) => {
                let mut meta = Meta::read(text);
                meta.map_login(|login| Some(map(login)));
                *text = meta.write().unwrap_or_else(|| NO_META.to_owned()).into();
            }
            _ => {}
        }
        self
    }

    /// Returns the changes of items alone.
    #[cfg(feature = "encryption")]
    pub(crate) fn without_metadata(self) -> Self {
        Self { meta: None, ..self }
    }

    /// Returns the change that sets one item, or removes it.
    pub(crate) fn of_item(key: &str, item: Option<&RawValue>) -> Self {
        let mut changes = Self::new();
        changes.insert(key.to_owned(), item.map(ToOwned::to_owned));
        changes
    }

    /// Returns whether the changes can create a session.
    pub(crate) fn creates(&self) -> bool {
        let begins = match self.meta.as_deref() {
            Some(NewMeta::Copy(_)) => true,
            Some(NewMeta::Change(change)) => change.begins,
            None => false,
        };
        begins || self.sets_items()
    }

    /// Ignores the key of the metadata, which is no item's.
    fn insert(&mut self, key: String, item: Option<Box<RawValue>>) {
        if key != META_KEY {
            self.items.insert(key, item);
        }
    }

    /// Returns the metadata after the changes, if there is any: the outer `None` if the changes
    /// have to be refused.
    pub(crate) fn meta_after(&self, base: Option<&str>) -> Option<Option<Cow<'_, str>>> {
        Some(match self.meta.as_deref() {
            None => base.map(|meta| Cow::Owned(meta.to_owned())),
            Some(NewMeta::Copy(meta)) => Some(Cow::Borrowed(meta)),
            Some(NewMeta::Change(change)) => {
                let meta = change.apply(&base.map(Meta::read).unwrap_or_default())?;
                meta.write().map(Cow::Owned)
            }
        })
    }

    /// Returns the total length of all keys and items in bytes.
    #[cfg(any(feature = "memory", feature = "file", feature = "redis"))]
    pub(crate) fn size(&self) -> usize {
        self.iter().map(|(key, item)| key.len() + item.map_or(0, |item| item.get().len())).sum()
    }

    /// Drops the changes that `other` contains too, with the same item.
    pub(crate) fn subtract(&mut self, other: &Changes) {
        self.items.retain(|key, item| {
            let item = item.as_deref().map(RawValue::get);
            other.get(key).map(|other| other.map(RawValue::get)) != Some(item)
        });
    }

    /// Applies the changes to `base` and returns the result.
    ///
    /// A session that loses its last item is kept without items. Returns `None` if there was no
    /// session and no item is set, or if the changes depend on metadata that has changed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use serde_json::value::to_raw_value;
    /// # use session_core::{Changes, Snapshot};
    /// let session = Snapshot::parse(r#"{"name":"bob"}"#)?;
    /// let mut changes = Changes::new();
    /// changes.set("age", to_raw_value(&42)?);
    /// let after = changes.apply(session.as_ref()).expect("it has items");
    /// assert_eq!(after.stored(), r#"{"age":42,"name":"bob"}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn apply(&self, base: Option<&Snapshot>) -> Option<Snapshot> {
        let mut kept = base.into_iter().flat_map(Snapshot::iter).peekable();
        let mut changed = self.iter().peekable();
        let merged = iter::from_fn(|| {
            loop {
                let old = kept.peek().map(|(key, _)| *key);
                let new = changed.peek().map(|(key, _)| *key);
                let take_old = match (old, new) {
                    (None, None) => return None,
                    (Some(_), None) => true,
                    (None, Some(_)) => false,
                    (Some(old), Some(new)) => old < new,
                };
                if take_old {
                    return kept.next().map(|(key, item)| (Cow::Borrowed(key), item));
                }
                kept.next_if(|(key, _)| Some(*key) == new);
                if let Some((key, Some(item))) = changed.next() {
                    return Some((Cow::Borrowed(key), item.get()));
                }
            }
        });
        let base_meta = base.and_then(Snapshot::meta);
        let changed = self.meta.is_some().then(|| self.meta_after(base_meta));
        let changed = match &changed {
            Some(None) => return None,
            Some(Some(meta)) => meta.as_deref(),
            None => base_meta,
        };
        let expected = base.map_or(0, Snapshot::len).max(self.items.len());
        let session =
            Snapshot::from_sorted(expected, merged, changed.filter(|meta| *meta != NO_META));
        // A session that has lost its last item is not ended.
        let is_emptied = session.is_none() && (base.is_some() || self.creates());
        if is_emptied { Snapshot::from_sorted(0, iter::empty(), Some(NO_META)) } else { session }
    }

    /// Returns the changes that turn `old` into `new`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Changes, Snapshot};
    /// let old = Snapshot::parse(r#"{"age":42,"name":"bob"}"#)?;
    /// let new = Snapshot::parse(r#"{"age":43,"name":"bob"}"#)?.expect("it has items");
    /// let changes = Changes::between(old.as_ref(), &new);
    /// assert_eq!(changes.iter().count(), 1);
    /// assert_eq!(changes.apply(old.as_ref()), Some(new));
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn between(old: Option<&Snapshot>, new: &Snapshot) -> Self {
        let mut changes = Self::new();
        for (key, item) in new.iter() {
            if old.and_then(|old| old.item(key)) != Some(item) {
                let item = RawValue::from_string(item.to_owned());
                changes.set(key, item.expect("a snapshot's items are JSON"));
            }
        }
        for (key, _) in old.into_iter().flat_map(Snapshot::iter) {
            if new.item(key).is_none() {
                changes.remove(key);
            }
        }
        let meta = new.meta().filter(|meta| old.and_then(Snapshot::meta) != Some(meta));
        changes.meta = meta.map(|meta| Box::new(NewMeta::Copy(meta.into())));
        changes
    }
}

impl FromIterator<(String, Box<RawValue>)> for Changes {
    fn from_iter<I: IntoIterator<Item = (String, Box<RawValue>)>>(items: I) -> Self {
        let mut changes = Self::new();
        items.into_iter().for_each(|(key, item)| changes.set(key, item));
        changes
    }
}

/// Shows which keys are set or removed, but no values.
impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = |item: &Option<Box<RawValue>>| if item.is_some() { "set" } else { "removed" };
        f.debug_map().entries(self.items.iter().map(|(key, item)| (key, verb(item)))).finish()
    }
}

/// Encodes a value as an item. A [`RawValue`] is kept byte for byte.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>> {
    let item = to_raw_value(value).map_err(Error::Encode)?;
    // serde_json writes NaN and infinities as `null`, which cannot be read as numbers again. Only a
    // text with `null` in it is worth a second look.
    if item.get().contains("null") {
        finite::check(value).map_err(Error::Encode)?;
    }
    Ok(item)
}

#[cfg(test)]
mod tests;
