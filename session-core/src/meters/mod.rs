//! Metrics, by the facade crate `metrics`: without a recorder they cost next to nothing.
//!
//! Arrows: `counters` (counts events), `storage` (times a storage), `near_cache` and `owed` (what
//! other rooms tell) -> `names`.

mod counters;
mod names;
#[cfg(feature = "redis")]
mod near_cache;
mod owed;
mod storage;

pub(crate) use counters::count;
pub(crate) use names::describe;
#[cfg(feature = "redis")]
pub(crate) use near_cache::NearCacheMeters;
pub(crate) use owed::OwedGauge;
pub(crate) use storage::measured;
