//! The positions of one entry's key and item in a session's text.

use std::ops::Range;

pub(super) struct Entry {
    pub(super) key: Key,
    pub(super) item: Range<u32>,
}

pub(super) enum Key {
    /// The position of a key that the text contains without escapes.
    Plain(Range<u32>),
    /// The decoded form of a key that the text contains with escapes.
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

/// Returns the position of `part`, which must be borrowed from `text`.
pub(super) fn span(text: &str, part: &str) -> Range<u32> {
    range(part.as_ptr().addr() - text.as_ptr().addr(), part.len())
}

pub(super) fn range(start: usize, length: usize) -> Range<u32> {
    let offset = |at: usize| {
        u32::try_from(at).expect("`parse` refuses texts of 4 GiB, and no written one is that long")
    };
    offset(start)..offset(start + length)
}
