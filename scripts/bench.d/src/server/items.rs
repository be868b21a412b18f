//! What the sessions hold, the same in every server.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde::Deserialize;

/// The item that `/item` reads and `/set` writes: a small number.
pub(crate) const COUNT: &str = "count";

/// The query of `/fill`.
#[derive(Deserialize)]
pub(crate) struct Size {
    bytes: usize,
}

impl Size {
    /// The items beside the number: texts of about 100 bytes, and longer where 100 of those do
    /// not make up the size.
    pub(crate) fn fillers(&self) -> impl Iterator<Item = (String, String)> {
        let count = (self.bytes / 100).clamp(1, 100);
        // A key, its quotes, colon and comma come to 12 bytes; the number is counted as one more.
        let length = (self.bytes / count).saturating_sub(12 + 12 / count).max(1);
        (0..count).map(move |at| (filler(at), "x".repeat(length)))
    }
}

/// The key of a filler.
pub(crate) fn filler(at: usize) -> String {
    format!("item{at:03}")
}

/// A number that was not written before: some peers skip a write that changes nothing.
pub(crate) fn next() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    LAST.fetch_add(1, Relaxed) + 1
}
