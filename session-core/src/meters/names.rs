//! The names of the metrics and their descriptions.

use metrics::{Unit, counter, describe_counter, describe_gauge, describe_histogram};

use crate::{ClaimRefusal, Renewal};

pub(super) const CREATED: &str = "sessions_created_total";
pub(super) const RENEWED: &str = "sessions_renewed_total";
pub(super) const ENDED: &str = "sessions_ended_total";
pub(super) const LOGINS: &str = "sessions_logins_total";
pub(super) const LOGOUTS: &str = "sessions_logouts_total";
pub(super) const UNKNOWN: &str = "session_claims_unknown_total";
pub(super) const REFUSED: &str = "session_claims_refused_total";
pub(super) const DURATION: &str = "session_store_operation_duration_seconds";
pub(super) const FAILURES: &str = "session_store_failures_total";
#[cfg(feature = "redis")]
pub(super) const NEAR_CACHE_HITS: &str = "session_near_cache_hits_total";
#[cfg(feature = "redis")]
pub(super) const NEAR_CACHE_MISSES: &str = "session_near_cache_misses_total";
pub(super) const OWED: &str = "session_ttl_writes_owed";

/// Describes the metrics to the recorder, and shows the counters that are still zero.
pub(crate) fn describe() {
    let unit = Unit::Count;
    describe_counter!(CREATED, unit, "Sessions that have begun.");
    describe_counter!(RENEWED, unit, "Sessions that were given a new id.");
    describe_counter!(ENDED, unit, "Sessions that were removed, expired ones not counted.");
    describe_counter!(LOGINS, unit, "Logins.");
    describe_counter!(LOGOUTS, unit, "Logouts.");
    describe_counter!(UNKNOWN, unit, "Ids of clients that the store does not know.");
    describe_counter!(REFUSED, unit, "Ids of clients that the store was not asked about.");
    describe_histogram!(DURATION, Unit::Seconds, "Time that the store takes for an operation.");
    describe_counter!(FAILURES, unit, "Operations that the store has failed.");
    #[cfg(feature = "redis")]
    describe_counter!(NEAR_CACHE_HITS, unit, "Reads answered without a round trip.");
    #[cfg(feature = "redis")]
    describe_counter!(NEAR_CACHE_MISSES, unit, "Reads sent to Redis although there is a cache.");
    describe_gauge!(OWED, unit, "Sessions whose last use the store does not know yet.");
    for name in [CREATED, LOGINS, LOGOUTS, UNKNOWN] {
        counter!(name).increment(0);
    }
    for by in [crate::EndedBy::Request, crate::EndedBy::Administration] {
        counter!(ENDED, "by" => by.as_str()).increment(0);
    }
    for renewal in [Renewal::Explicit, Renewal::ByItself, Renewal::Copy] {
        counter!(RENEWED, "kind" => renewal.as_str()).increment(0);
    }
    for reason in [ClaimRefusal::Malformed, ClaimRefusal::Signature] {
        counter!(REFUSED, "reason" => reason.as_str()).increment(0);
    }
}
