//! How sessions are stored in Redis.
//!
//! - `key_value`: a session is one string, the JSON of all items; with the near cache.
//! - `hash_table`: a session is one hash with a field for each item.
//! - `form`: what both share: existence, time to live, renaming.
//! - `users`: which sessions a user has.
//! - `scan`: lists the sessions by their keys.
//! - `lua`: the scripts that run in the server.
//!
//! A storage sends commands through [`Operation`](super::client::Operation) and knows nothing of
//! connections, slots and retries.

mod form;
mod hash_table;
mod key_value;
mod lua;
mod scan;
mod users;

pub use hash_table::RedisHashTableStorage;
pub(super) use key_value::NearCache;
pub use key_value::{NearCacheStats, RedisKeyValueStorage};
