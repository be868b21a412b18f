//! Faults of lifetimes and of markers.

use async_trait::async_trait;
use session_core::{
    Changes, Lifetime, MemoryStorage, RenameOptions, Result, SessionId, SetOptions, Storage as _,
    TtlRange, Written,
};

use super::{Fault, assert_detected};

/// Gives every session the same time to live.
#[derive(Debug, Default)]
struct IgnoresOwnTtls;

#[async_trait]
impl Fault for IgnoresOwnTtls {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let SetOptions { lifetime, .. } = options;
        let same = Lifetime::exactly(lifetime.ttl).absolute(lifetime.absolute);
        inner.set_session(id, changes, options.lifetime(same)).await
    }
}

#[tokio::test(start_paused = true)]
async fn g15_ignoring_a_sessions_own_ttl_is_detected() {
    assert_detected::<IgnoresOwnTtls>(&[
        "a_sessions_own_ttl_holds",
        "a_sessions_own_ttl_can_be_changed",
        "metadata_is_no_item",
        "metadata_that_cannot_be_read_says_nothing",
    ])
    .await;
}

/// Forgets the absolute end when it writes.
#[derive(Debug, Default)]
struct WritesPastTheEnd;

#[async_trait]
impl Fault for WritesPastTheEnd {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        inner.set_session(id, changes, options.lifetime(options.lifetime.absolute(None))).await
    }
}

#[tokio::test(start_paused = true)]
async fn g15_writing_past_the_absolute_end_is_detected() {
    assert_detected::<WritesPastTheEnd>(&[
        "nothing_puts_off_an_absolute_end",
        "a_session_behind_its_absolute_end_is_not_written",
    ])
    .await;
}

/// Forgets the absolute end when a session is used.
#[derive(Debug, Default)]
struct ExtendsPastTheEnd;

#[async_trait]
impl Fault for ExtendsPastTheEnd {
    async fn update_ttl(inner: &MemoryStorage, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        inner.update_ttl(id, ttl.lifetime(ttl.lifetime.absolute(None))).await
    }
}

#[tokio::test(start_paused = true)]
async fn g15_extending_past_the_absolute_end_is_detected() {
    assert_detected::<ExtendsPastTheEnd>(&[
        "nothing_puts_off_an_absolute_end",
        "a_session_behind_its_absolute_end_is_not_written",
    ])
    .await;
}

/// Answers a refused update like one that was saved.
#[derive(Debug, Default)]
struct HidesRefusals;

#[async_trait]
impl Fault for HidesRefusals {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        inner.set_session(id, changes, options).await.map(|_| Written::Saved)
    }
}

#[tokio::test(start_paused = true)]
async fn g14_granting_an_id_twice_is_detected() {
    assert_detected::<HidesRefusals>(&["one_of_several_claims_to_issue_an_id_is_granted"]).await;
}

/// Leaves markers that lead nowhere.
#[derive(Debug, Default)]
struct LosesTheSalt;

#[async_trait]
impl Fault for LosesTheSalt {
    async fn rename(
        inner: &MemoryStorage,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        inner.rename(from, to, RenameOptions::grace(options.grace)).await
    }
}

#[tokio::test(start_paused = true)]
async fn g14_a_marker_that_leads_nowhere_is_detected() {
    assert_detected::<LosesTheSalt>(&["a_marker_keeps_what_leads_to_the_new_id"]).await;
}
