//! `memory`: sessions in this process.
//!
//! Arrows: `storage` (the trait) -> `shard` (a part of the sessions) -> `bound` (how much may be
//! kept).

mod bound;
mod shard;
mod storage;

pub use storage::MemoryStorage;
