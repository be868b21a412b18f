//! Faults of times to live.

use async_trait::async_trait;
use session_core::{
    Changes, MAX_TTL, MemoryStorage, Result, SessionId, SetOptions, Storage, TtlRange, WriteMode,
    Written,
};

use super::{Fault, assert_detected};

/// Loses the time to live on each update, as `SET` does without `KEEPTTL` or `PX`.
#[derive(Debug, Default)]
struct ForgetsTheTtl;

#[async_trait]
impl Fault for ForgetsTheTtl {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let mut options = options;
        if options.mode == WriteMode::Update {
            options.lifetime.ttl = MAX_TTL;
        }
        inner.set_session(id, changes, options).await
    }
}

#[tokio::test(start_paused = true)]
async fn g5_forgetting_the_ttl_on_a_write_is_detected() {
    assert_detected::<ForgetsTheTtl>(&[
        "every_kind_of_write_leaves_a_ttl",
        "sessions_expire_on_time",
    ])
    .await;
}

/// Extends the time to live, and never shortens it.
#[derive(Debug, Default)]
struct IgnoresTheUpperBound;

#[async_trait]
impl Fault for IgnoresTheUpperBound {
    async fn update_ttl(inner: &MemoryStorage, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        inner.update_ttl(id, TtlRange::at_least(ttl.at_least)).await
    }
}

#[tokio::test(start_paused = true)]
async fn g9_ignoring_the_upper_bound_of_a_ttl_is_detected() {
    assert_detected::<IgnoresTheUpperBound>(&["update_ttl_shortens_to_its_upper_bound"]).await;
}

/// Shortens the time to live, as `PEXPIRE` does without `GT`.
#[derive(Debug, Default)]
struct ShortensTheTtl;

#[async_trait]
impl Fault for ShortensTheTtl {
    async fn update_ttl(inner: &MemoryStorage, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        let update = SetOptions::update(ttl.at_least);
        Ok(inner.set_session(id, &Changes::new(), update).await? == Written::Saved)
    }
}

#[tokio::test(start_paused = true)]
async fn g9_shortening_the_ttl_is_detected() {
    assert_detected::<ShortensTheTtl>(&[
        "update_ttl_leaves_a_ttl_within_its_bounds",
        "update_ttl_shortens_to_its_upper_bound",
    ])
    .await;
}
