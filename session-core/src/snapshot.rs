//! The items of a session as a storage holds them.

mod entry;
mod meta;
mod meta_text;
mod parse;
mod writer;

use std::{borrow::Cow, fmt, ops::Range, sync::Arc};

use serde::de::DeserializeOwned;

#[cfg(feature = "encryption")]
pub(crate) use self::meta_text::Json;
use self::{
    entry::{Entry, Key},
    parse::members,
};
pub(crate) use self::{
    meta::{Issue, LOGIN_PART, Login, MARKER_START, META_KEY, Meta, MetaChange, NO_META},
    writer::Writer,
};
use crate::{Error, Result};

/// A whole session at one moment: its JSON text and the positions of keys and items in it.
///
/// Items keep the text that was stored and are decoded only on request. Beside its items a session
/// may have metadata of this library, under the reserved key `$meta`, which no method but
/// [`stored`](Self::stored) shows. A session whose last item was removed has metadata alone.
/// Cloning is cheap.
#[derive(Clone)]
pub struct Snapshot(Arc<Stored>);

struct Stored {
    text: Box<str>,
    entries: Vec<Entry>,
    /// The metadata, if there is any.
    meta: Option<Range<u32>>,
    /// Whether the text has sorted keys, no space between the items, and no metadata.
    canonical: bool,
    /// The encrypted session that this one was decrypted from.
    #[cfg(feature = "encryption")]
    origin: Option<Origin>,
}

/// How a session is stored.
#[cfg(feature = "encryption")]
pub(crate) struct Origin {
    pub(crate) stored: Snapshot,
    /// Whether encrypting the session again gives the same text.
    pub(crate) is_current: bool,
}

impl Stored {
    fn new(text: Box<str>, entries: Vec<Entry>, meta: Option<Range<u32>>, canonical: bool) -> Self {
        Self {
            text,
            entries,
            meta,
            canonical,
            #[cfg(feature = "encryption")]
            origin: None,
        }
    }
}

/// The error for a stored text that is not one JSON object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a JSON object")
    }
}

impl std::error::Error for Unreadable {}

impl Snapshot {
    /// Parses a stored text: one JSON object whose members are the items.
    ///
    /// Returns `None` for a blank text and for `{}`, which counts as no session, as in GoFrame. If
    /// a key occurs twice, its last item counts. Checks that items are JSON, but does not decode
    /// them.
    ///
    /// # Errors
    ///
    /// [`Unreadable`] if the text is not one JSON object, or has 4 GiB or more.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Snapshot, Unreadable};
    ///
    /// let session = Snapshot::parse(r#"{"name":"bob","age":42}"#)?;
    /// assert_eq!(session.expect("it has items").len(), 2);
    /// assert_eq!(Snapshot::parse("{}")?, None);
    /// assert_eq!(Snapshot::parse("[1]"), Err(Unreadable));
    /// # Ok::<(), Unreadable>(())
    /// ```
    pub fn parse(text: impl Into<Box<str>>) -> Result<Option<Self>, Unreadable> {
        let text = text.into();
        if text.trim_ascii().is_empty() {
            return Ok(None);
        }
        if u32::try_from(text.len()).is_err() {
            return Err(Unreadable);
        }
        let entries = members(&text).map_err(|_| Unreadable)?;
        Ok(Self::from_entries(text, entries))
    }

    /// Writes metadata and items, whose keys must be strictly ascending, as one text.
    ///
    /// Returns `None` if there is neither. `expected`: how many items there probably are.
    pub(crate) fn from_sorted<'a>(
        expected: usize,
        items: impl Iterator<Item = (Cow<'a, str>, &'a str)>,
        meta: Option<&str>,
    ) -> Option<Self> {
        // Enough for most sessions. Not more entries than needed: what is written may be kept for
        // long.
        let mut session = Writer::new(256, expected, meta);
        items.for_each(|(key, item)| session.item(&key, item));
        session.finish()
    }

    fn from_entries(text: Box<str>, mut entries: Vec<Entry>) -> Option<Self> {
        let ascending = |pair: &[Entry]| pair[0].key(&text) < pair[1].key(&text);
        let sorted = entries.windows(2).all(ascending);
        if !sorted {
            // A stable sort keeps equal keys in their order in the text, so the last one wins.
            entries.sort_by(|one, other| one.key(&text).cmp(other.key(&text)));
            let mut deduplicated: Vec<Entry> = Vec::with_capacity(entries.len());
            for entry in entries {
                match deduplicated.last_mut() {
                    Some(last) if last.key(&text) == entry.key(&text) => *last = entry,
                    _ => deduplicated.push(entry),
                }
            }
            entries = deduplicated;
        }
        let canonical_length = |entry: &Entry| match &entry.key {
            Key::Plain(key) => key.len() + entry.item.len() + 4,
            // Rare, so its escapes are not compared: the text counts as not canonical.
            Key::Unescaped(_) => usize::MAX / 2,
        };
        let length = entries.iter().map(canonical_length).fold(1usize, usize::saturating_add);
        let canonical = sorted && length == text.len();
        let meta = entries.binary_search_by(|entry| entry.key(&text).cmp(META_KEY)).ok();
        let meta = meta.map(|index| entries.remove(index).item);
        let canonical = canonical && meta.is_none();
        Self::new(Stored::new(text, entries, meta, canonical))
    }

    fn new(stored: Stored) -> Option<Self> {
        let is_session = !stored.entries.is_empty() || stored.meta.is_some();
        is_session.then(|| Self(Arc::new(stored)))
    }

    /// Returns what this session was decrypted from.
    #[cfg(feature = "encryption")]
    pub(crate) fn origin(&self) -> Option<&Self> {
        self.0.origin.as_ref().map(|origin| &origin.stored)
    }

    /// Returns whether encrypting this session gives the text that is stored.
    #[cfg(feature = "encryption")]
    pub(crate) fn is_current(&self) -> bool {
        self.0.origin.as_ref().is_some_and(|origin| origin.is_current)
    }

    /// Returns what stays at the id of a renewed session: with a salt, it leads to the new id.
    pub(crate) fn marker(salt: Option<&str>) -> Self {
        let renewed = salt.map_or("true".into(), |salt| format!("\"{salt}\""));
        let meta = format!("{MARKER_START}{renewed}}}");
        Self::from_sorted(0, std::iter::empty(), Some(&meta)).expect("it has metadata")
    }

    /// Returns whether this is no session but a marker: the id was renewed a moment ago.
    ///
    /// A storage keeps a marker where it would keep the session, and answers it from
    /// [`get_session`](crate::Storage::get_session) alone. To every other method the id is unknown.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Snapshot;
    /// let session = Snapshot::parse(r#"{"a":1}"#)?.expect("it has an item");
    /// assert!(!session.is_marker());
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn is_marker(&self) -> bool {
        self.is_empty() && self.meta().is_some_and(|meta| meta.starts_with(MARKER_START))
    }

    /// Returns whether two snapshots are clones of one.
    #[cfg(feature = "memory")]
    pub(crate) fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Returns whether two snapshots have the same items and metadata, in whatever text.
    pub(crate) fn is_same_session(&self, other: &Self) -> bool {
        self == other || self.meta() == other.meta() && self.to_json() == other.to_json()
    }

    /// Returns the JSON text of the metadata, or `None` if there is none.
    pub(crate) fn meta(&self) -> Option<&str> {
        let range = self.0.meta.as_ref()?;
        Some(&self.0.text[range.start as usize..range.end as usize])
    }

    /// Returns a session with this metadata and no items.
    pub(crate) fn of_meta(meta: Option<&str>) -> Self {
        Self::from_sorted(0, std::iter::empty(), Some(meta.unwrap_or(NO_META)))
            .expect("it is not empty")
    }

    /// Returns a session with the metadata and no items.
    pub(crate) fn without_items(&self) -> Self {
        Self::of_meta(self.meta())
    }

    /// Returns a session with the metadata and only one of the items, if it exists.
    pub(crate) fn only(&self, key: &str) -> Option<Self> {
        let item = self.item(key).map(|item| (Cow::Borrowed(key), item));
        Self::from_sorted(1, item.into_iter(), self.meta())
    }

    /// Returns whether the session is one of a user.
    pub(crate) fn has_login(&self) -> bool {
        // Most sessions have no metadata, or metadata without this word.
        self.meta().is_some_and(|meta| meta.contains(LOGIN_PART))
    }

    /// Returns the metadata, which says nothing if there is none or it cannot be read.
    pub(crate) fn read_meta(&self) -> Meta {
        self.meta().map(Meta::read).unwrap_or_default()
    }

    /// Returns the metadata, if there is any.
    pub(crate) fn boxed_meta(&self) -> Option<Box<Meta>> {
        self.meta().map(|meta| Box::new(Meta::read(meta)))
    }

    /// Returns the stored text, byte for byte.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Snapshot;
    /// let text = r#"{ "price": 2.50 }"#;
    /// let session = Snapshot::parse(text)?.expect("it has items");
    /// assert_eq!(session.stored(), text);
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn stored(&self) -> &str {
        &self.0.text
    }

    /// Returns the items as one JSON object with sorted keys and no space between them.
    ///
    /// Borrows the stored text if it already has that form, as all text written by this library
    /// has.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Snapshot;
    /// let session = Snapshot::parse(r#"{ "b": 2.50, "a": 1 }"#)?.expect("it has items");
    /// assert_eq!(session.to_json(), r#"{"a":1,"b":2.50}"#);
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn to_json(&self) -> Cow<'_, str> {
        if self.0.canonical {
            return Cow::Borrowed(&self.0.text);
        }
        Cow::Owned(self.to_canonical().stored().to_owned())
    }

    /// Returns the same items, without metadata, in the form that this library writes.
    #[cfg(feature = "actix-web-4")]
    pub(crate) fn into_canonical(self) -> Self {
        if self.0.canonical { self } else { self.to_canonical() }
    }

    fn to_canonical(&self) -> Self {
        let items = self.iter().map(|(key, item)| (Cow::Borrowed(key), item));
        let empty = || Stored::new("{}".into(), Vec::new(), None, true);
        Self::from_sorted(self.len(), items, None).unwrap_or_else(|| Self(Arc::new(empty())))
    }

    /// Returns an item's JSON text, or `None` if there is no such item.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Snapshot;
    /// let session = Snapshot::parse(r#"{"price":2.50}"#)?.expect("it has items");
    /// assert_eq!(session.item("price"), Some("2.50"));
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn item(&self, key: &str) -> Option<&str> {
        let Stored { text, entries, .. } = &*self.0;
        let index = entries.binary_search_by(|entry| entry.key(text).cmp(key)).ok()?;
        Some(entries[index].item(text))
    }

    /// Decodes one item and no other, or returns `None` if there is no such item.
    ///
    /// # Errors
    ///
    /// [`Error::Decode`] if the item is not a `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Snapshot;
    /// let session = Snapshot::parse(r#"{"price":2.50}"#)?.expect("it has items");
    /// assert_eq!(session.get::<f64>("price")?, Some(2.5));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        self.item(key).map(decode).transpose()
    }

    /// Iterates over keys and the JSON text of their items, in the byte order of the keys.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Snapshot;
    /// let session = Snapshot::parse(r#"{"b":2,"a":1}"#)?.expect("it has items");
    /// assert!(session.iter().eq([("a", "1"), ("b", "2")]));
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let Stored { text, entries, .. } = &*self.0;
        entries.iter().map(|entry| (entry.key(text), entry.item(text)))
    }

    /// Returns the number of items.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Snapshot;
    /// let session = Snapshot::parse(r#"{"b":2,"a":1}"#)?.expect("it has items");
    /// assert_eq!(session.len(), 2);
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.entries.len()
    }

    /// Returns whether there are no items, because the last one was removed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Snapshot;
    /// let session = Snapshot::parse(r#"{"a":1}"#)?.expect("it has an item");
    /// assert!(!session.is_empty());
    /// # Ok::<(), session_core::Unreadable>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.entries.is_empty()
    }
}

/// Decodes one item's JSON text.
pub(crate) fn decode<T: DeserializeOwned>(item: &str) -> Result<T> {
    serde_json::from_str(item).map_err(|_| Error::Decode { expected: std::any::type_name::<T>() })
}

/// Compares the stored texts.
impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.text == other.0.text
    }
}

impl Eq for Snapshot {}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Snapshot({} items, {} bytes)", self.len(), self.0.text.len())
    }
}

#[cfg(test)]
mod tests;
