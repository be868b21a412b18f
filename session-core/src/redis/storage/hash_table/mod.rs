//! `redis-hash-table`: a session is a hash with a field for each item.
//!
//! Arrows: `storage` (the trait) -> `hash` (one session's hash), `swap` (one item of it)
//! -> `field` (one item's text).

mod field;
mod hash;
mod storage;
mod swap;

pub use storage::RedisHashTableStorage;
