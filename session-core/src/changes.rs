//! What a request did to a session.

use std::{borrow::Cow, collections::BTreeMap, fmt};

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::{Error, Result, Snapshot};

/// Items to set and keys to remove, in the order of the keys; of one key the last word counts.
///
/// The only thing that is ever written to a storage. An item is one piece of JSON text and is
/// stored as it is, whatever the size and precision of its numbers.
#[derive(Clone, Default)]
pub struct Changes(BTreeMap<String, Option<Box<RawValue>>>);

impl Changes {
    /// Changes nothing yet.
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
        self.0.insert(key.into(), Some(item));
    }

    /// Removes an item, if it is there.
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
        self.0.insert(key.into(), None);
    }

    /// What is to become of `key`: `Some(None)` if it is removed, `None` if it is left alone.
    ///
    /// # Examples
    ///
    /// ```
    /// # use serde_json::value::to_raw_value;
    /// # use session_core::Changes;
    /// let mut changes = Changes::new();
    /// changes.set("age", to_raw_value(&42)?);
    /// assert_eq!(changes.get("age").flatten().map(|item| item.get()), Some("42"));
    /// assert!(changes.get("name").is_none(), "it is left alone");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Option<&RawValue>> {
        self.0.get(key).map(Option::as_deref)
    }

    /// Visits every change: a key with its new item, or with `None` where it is removed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use serde_json::value::to_raw_value;
    /// # use session_core::Changes;
    /// let mut changes = Changes::new();
    /// changes.remove("name");
    /// changes.set("age", to_raw_value(&42)?);
    /// let told: Vec<_> = changes.iter().map(|(key, item)| (key, item.map(|item| item.get()))).collect();
    /// assert_eq!(told, [("age", Some("42")), ("name", None)]);
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&RawValue>)> {
        self.0.iter().map(|(key, item)| (key.as_str(), item.as_deref()))
    }

    /// Whether nothing is changed.
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
        self.0.is_empty()
    }

    /// Whether an item is set, so that a session comes out of it even where none was.
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
        self.0.values().any(Option::is_some)
    }

    /// Lets `later` have the last word.
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
        self.0.extend(later.0);
    }

    /// The bytes of all keys and items.
    #[cfg(feature = "redis")]
    pub(crate) fn size(&self) -> usize {
        self.iter().map(|(key, item)| key.len() + item.map_or(0, |item| item.get().len())).sum()
    }

    /// Leaves out what `other` does to the same effect.
    pub(crate) fn forget(&mut self, other: &Changes) {
        self.0.retain(|key, item| {
            let item = item.as_deref().map(RawValue::get);
            other.get(key).map(|other| other.map(RawValue::get)) != Some(item)
        });
    }

    /// Returns the session that `base` becomes, or `None` if no item is left of it.
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
        let merged = std::iter::from_fn(|| {
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
        Snapshot::from_sorted(merged)
    }

    /// Returns what makes `new` out of `old`.
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
        changes
    }
}

impl FromIterator<(String, Box<RawValue>)> for Changes {
    fn from_iter<I: IntoIterator<Item = (String, Box<RawValue>)>>(items: I) -> Self {
        Self(items.into_iter().map(|(key, item)| (key, Some(item))).collect())
    }
}

/// Shows which keys change, and no values.
impl fmt::Debug for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = |item: &Option<Box<RawValue>>| if item.is_some() { "set" } else { "removed" };
        f.debug_map().entries(self.0.iter().map(|(key, item)| (key, verb(item)))).finish()
    }
}

/// Writes a value as an item. A [`RawValue`] goes through as it is.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>> {
    to_raw_value(value).map_err(Error::Encode)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(text: &str) -> Option<Snapshot> {
        Snapshot::parse(text).unwrap()
    }

    fn changes(set: &str, removed: &[&str]) -> Changes {
        let mut changes: Changes =
            serde_json::from_str::<BTreeMap<_, _>>(set).unwrap().into_iter().collect();
        removed.iter().for_each(|key| changes.remove(*key));
        changes
    }

    #[test]
    fn changes_lie_over_what_is_there() {
        let base = snapshot(r#"{"a":1,"c":3,"e":5}"#);
        let after = changes(r#"{"b":2,"c":3.0,"f":6}"#, &["a", "x"]).apply(base.as_ref()).unwrap();
        assert_eq!(after.stored(), r#"{"b":2,"c":3.0,"e":5,"f":6}"#);
        assert_eq!(Snapshot::parse(after.stored()).unwrap().unwrap().item("c"), Some("3.0"));
    }

    #[test]
    fn removing_every_item_leaves_no_session() {
        let base = snapshot(r#"{"a":1}"#);
        assert_eq!(changes("{}", &["a"]).apply(base.as_ref()), None);
        assert_eq!(changes("{}", &["a"]).apply(None), None);
    }

    #[test]
    fn the_difference_of_two_sessions_makes_one_out_of_the_other() {
        let (old, new) = (snapshot(r#"{"a":1,"b":2}"#), snapshot(r#"{"b":2.0,"c":3}"#).unwrap());
        let changes = Changes::between(old.as_ref(), &new);
        assert_eq!(changes.apply(old.as_ref()), Some(new.clone()));
        assert_eq!(changes.iter().count(), 3);
        assert!(Changes::between(Some(&new), &new).is_empty());
    }

    #[test]
    fn raw_values_are_not_interpreted() {
        for text in ["-0", "2.50", "1E5", "1e400", "18446744073709551616", "[ 1 ]"] {
            let raw = RawValue::from_string(text.to_owned()).unwrap();
            assert_eq!(encode(&raw).unwrap().get(), text);
        }
    }

    #[test]
    fn g12_debug_shows_keys_and_no_values() {
        let shown = format!("{:?}", changes(r#"{"name":"secret"}"#, &["gone"]));
        assert_eq!(shown, r#"{"gone": "removed", "name": "set"}"#);
    }
}
