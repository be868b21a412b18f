//! `redis-hash-table`: a session is a hash with a field for each item.
//!
//! Arrows: `storage` (the trait) -> `hash` (one session's hash) -> `field` (one item's text).

mod field;
mod hash;
mod storage;

pub use storage::RedisHashTableStorage;
