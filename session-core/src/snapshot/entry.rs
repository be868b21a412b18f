//! Where the key and the item of an entry are in a session's text.

use std::ops::Range;

pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) item: Range<u32>,
}

pub(super) enum Key {
    /// A key that is in the text as it is.
    Plain(Range<u32>),
    /// A key that the text contains with escapes.
    Unescaped(Box<str>),
}

impl Entry {
    pub(super) fn key<'a>(&'a self, text: &'a str) -> &'a str {
        match &self.key {
            Key::Plain(range) => slice(text, range),
            Key::Unescaped(key) => key,
        }
    }

    pub(super) fn item<'a>(&self, text: &'a str) -> &'a str {
        slice(text, &self.item)
    }
}

fn slice<'a>(text: &'a str, range: &Range<u32>) -> &'a str {
    &text[range.start as usize..range.end as usize]
}

/// Returns the range of `part`, which is borrowed from `text`.
pub(super) fn span(text: &str, part: &str) -> Range<u32> {
    range(part.as_ptr().addr() - text.as_ptr().addr(), part.len())
}

pub(super) fn range(start: usize, length: usize) -> Range<u32> {
    let offset = |at: usize| u32::try_from(at).expect("texts of 4 GiB are refused or never built");
    offset(start)..offset(start + length)
}
