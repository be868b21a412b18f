//! Both Redis storages, and how they reach Redis.
//!
//! | room | what is in it | may use |
//! |---|---|---|
//! | `config` | settings: addresses, credentials, TLS; builds a [`Redis`] | `handle`, `client` |
//! | `client` | gets one command to the right server and back, within a deadline | no other room |
//! | `storage` | how sessions are stored: key-value with its near cache, hash table | `handle`, `client` |
//!
//! [`Redis`] (`handle`) is what a user holds: a client, a key prefix and the near cache.

mod client;
mod config;
mod handle;
mod storage;

pub use config::RedisBuilder;
pub use handle::Redis;
pub use storage::{NearCacheStats, RedisHashTableStorage, RedisKeyValueStorage};
