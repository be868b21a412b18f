//! `redis-key-value`: a session is a string, the JSON object of its items.
//!
//! Arrows: `storage` (the trait) -> `update` (applying changes until they are stored) -> `string`
//! (one session's string: read, compare-and-set, remove) -> `near_cache`. `write_queue` orders the
//! writers of one session in this process.

mod near_cache;
mod storage;
mod string;
mod update;
mod write_queue;

pub(crate) use near_cache::NearCache;
pub use near_cache::NearCacheStats;
pub use storage::RedisKeyValueStorage;
