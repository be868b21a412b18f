//! `redis-key-value`: a session is a string, the JSON object of its items.
//!
//! Arrows: `storage` (the trait) -> `update` (applying changes until they are stored) -> `string`
//! (one session's string: read, compare-and-set, remove) -> `near_cache`. Writers of one session in
//! this process are written together, by `storage::write_groups`.

mod near_cache;
mod storage;
mod string;
mod update;

pub(crate) use near_cache::NearCache;
pub use near_cache::NearCacheStats;
pub use storage::RedisKeyValueStorage;
