//! The near cache: recently read sessions, kept in this process until Redis announces a change.
//!
//! Arrows: `invalidation` (push messages) -> `cache` -> `shard` (entries of one lock).

mod cache;
mod invalidation;
mod shard;

pub(super) use cache::Lookup;
pub(crate) use cache::NearCache;
pub use cache::NearCacheStats;
