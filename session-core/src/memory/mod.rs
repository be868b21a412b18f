//! `memory`: sessions in this process.
//!
//! Arrows: `scan` (listing the sessions) -> `storage` (the trait) -> `shard` (a part of the
//! sessions) -> `bound` (how much may be kept). `users`: which sessions a user has.

mod bound;
mod scan;
mod shard;
mod storage;
mod users;

pub use storage::MemoryStorage;
