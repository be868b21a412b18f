//! `memory`: sessions in this process.
//!
//! Arrows: `scan` (listing the sessions) -> `storage` (the trait) -> `shard` (a part of the
//! sessions) -> `bound` (how much may be kept). `merges`: large sessions. `users`: which sessions a
//! user has.

mod bound;
mod merges;
mod scan;
mod shard;
mod storage;
mod users;

pub use storage::MemoryStorage;
