//! The counters of a near cache.

use std::fmt;

use metrics::{Counter, counter};

use super::names::{NEAR_CACHE_HITS, NEAR_CACHE_MISSES};

/// Counters that are looked up once: a read that the cache answers is short.
pub(crate) struct NearCacheMeters {
    hits: Counter,
    misses: Counter,
}

impl NearCacheMeters {
    pub(crate) fn hit(&self) {
        self.hits.increment(1);
    }

    pub(crate) fn miss(&self) {
        self.misses.increment(1);
    }
}

impl Default for NearCacheMeters {
    fn default() -> Self {
        Self { hits: counter!(NEAR_CACHE_HITS), misses: counter!(NEAR_CACHE_MISSES) }
    }
}

impl fmt::Debug for NearCacheMeters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NearCacheMeters")
    }
}
