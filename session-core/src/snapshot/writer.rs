//! Writing of a session's text, item by item.

use std::ops::Range;

#[cfg(feature = "encryption")]
use super::Origin;
use super::{
    META_KEY, Snapshot, Stored,
    entry::{Entry, Key, range},
};

/// Writes metadata and items, whose keys must be strictly ascending, as one text.
pub(crate) struct Writer {
    text: String,
    entries: Vec<Entry>,
    meta: Option<Range<u32>>,
}

impl Writer {
    /// Begins with the metadata. `length` and `items` are what is probably needed.
    pub(crate) fn new(length: usize, items: usize, meta: Option<&str>) -> Self {
        let mut text = String::with_capacity(length);
        text.push('{');
        let meta = meta.map(|meta| {
            text.extend(["\"", META_KEY, "\":", meta]);
            range(text.len() - meta.len(), meta.len())
        });
        Self { text, entries: Vec::with_capacity(items), meta }
    }

    /// Adds an item, which must be JSON.
    pub(crate) fn item(&mut self, key: &str, item: &str) {
        let text = &mut self.text;
        if text.len() > 1 {
            text.push(',');
        }
        let needs_escape = |byte| matches!(byte, b'"' | b'\\' | ..b' ');
        let key = if key.bytes().any(needs_escape) {
            *text += &serde_json::to_string(key).expect("a string is always JSON");
            Key::Unescaped(key.into())
        } else {
            text.extend(["\"", key, "\""]);
            Key::Plain(range(text.len() - 1 - key.len(), key.len()))
        };
        text.push(':');
        self.entries.push(Entry { key, item: range(text.len(), item.len()) });
        text.push_str(item);
    }

    /// Returns the number of items so far.
    #[cfg(feature = "encryption")]
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the session, or `None` if it has neither metadata nor items.
    pub(crate) fn finish(self) -> Option<Snapshot> {
        Snapshot::new(self.into_stored())
    }

    /// As [`finish`](Self::finish), noting what the session was decrypted from.
    #[cfg(feature = "encryption")]
    pub(crate) fn finish_decrypted(self, origin: Origin) -> Option<Snapshot> {
        Snapshot::new(Stored { origin: Some(origin), ..self.into_stored() })
    }

    fn into_stored(mut self) -> Stored {
        self.text.push('}');
        let canonical = self.meta.is_none();
        Stored::new(self.text.into(), self.entries, self.meta, canonical)
    }
}
