//! The schedule of the writes of times to live.
//!
//! Arrows: `queue` ([`TouchQueue`], all sessions) -> `shard` (the sessions under one lock) ->
//! `entry` (one session) -> `moment`.

mod entry;
mod facts;
mod moment;
mod queue;
mod shard;
#[cfg(test)]
mod tests;

pub(super) use entry::Slots;
pub(crate) use facts::{Facts, OwnTtl};
pub(super) use queue::TouchQueue;
pub(super) use shard::Owed;
