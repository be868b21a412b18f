//! The items of the sessions, the same in every server.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Deserialize;

/// The item that `/item` reads and `/set` writes: a small number.
pub(crate) const COUNT: &str = "count";

/// The one item that `/fill-one` and `/replace` write: a text of a given length.
pub(crate) const ONE: &str = "item";

/// The query of `/fill`, `/fill-one` and `/replace`.
#[derive(Deserialize)]
pub(crate) struct Size {
    bytes: usize,
}

impl Size {
    /// Returns the items beside the number: at most 100 texts of about 100 bytes each, or longer
    /// ones for a larger session.
    pub(crate) fn fillers(&self) -> impl Iterator<Item = (String, String)> {
        let count = (self.bytes / 100).clamp(1, 100);
        // A key with its quotes, colon and comma takes 12 bytes. The number counts as an item.
        let length = (self.bytes / count).saturating_sub(12 + 12 / count).max(1);
        (0..count).map(move |at| (filler(at), "x".repeat(length)))
    }

    /// Returns a new text. With its quotes it has this size.
    pub(crate) fn text(&self) -> String {
        let length = self.bytes.saturating_sub(2);
        format!("{:x<length$}", next())
    }
}

/// Returns the key of a filler.
pub(crate) fn filler(at: usize) -> String {
    format!("item{at:03}")
}

/// Returns a new number: some peers skip a write that changes nothing.
pub(crate) fn next() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Relaxed) + 1
}
