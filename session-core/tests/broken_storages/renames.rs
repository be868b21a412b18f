//! Faults of renaming.

use async_trait::async_trait;
use session_core::{
    Changes, MemoryStorage, RenameOptions, Result, SessionId, SetOptions, Storage, WriteMode,
    Written,
};
use tokio::task::yield_now;

use super::{Fault, assert_detected};

/// Renames without a marker.
#[derive(Debug, Default)]
struct LeavesNoMarker;

#[async_trait]
impl Fault for LeavesNoMarker {
    async fn rename(
        inner: &MemoryStorage,
        from: &SessionId,
        to: &SessionId,
        _: RenameOptions<'_>,
    ) -> Result<bool> {
        inner.rename(from, to, RenameOptions::default()).await
    }
}

#[tokio::test(start_paused = true)]
async fn g4_leaving_no_marker_is_detected() {
    assert_detected::<LeavesNoMarker>(&[
        "rename_with_a_grace_leaves_a_marker_that_is_no_session",
        "a_marker_remains_for_its_grace",
    ])
    .await;
}

/// Renames by removing the old entry before it creates the new one.
#[derive(Debug, Default)]
struct RenamesWithAGap;

#[async_trait]
impl Fault for RenamesWithAGap {
    async fn rename(
        inner: &MemoryStorage,
        from: &SessionId,
        to: &SessionId,
        _: RenameOptions<'_>,
    ) -> Result<bool> {
        let (Some(items), Some(ttl)) =
            (inner.get_session(from).await?, inner.expires_in(from).await?)
        else {
            return Ok(false);
        };
        if inner.get_session(to).await?.is_some() || !inner.remove_all(from, None).await? {
            return Ok(false);
        }
        yield_now().await;
        let copy = Changes::between(None, &items);
        Ok(inner.set_session(to, &copy, SetOptions::create(ttl)).await? == Written::Saved)
    }
}

#[tokio::test(start_paused = true)]
async fn g4_renaming_with_a_gap_is_detected() {
    assert_detected::<RenamesWithAGap>(&[
        "a_session_is_never_missing_during_a_rename",
        "a_dropped_rename_leaves_a_whole_session",
    ])
    .await;
}

/// Renames by copying and then removing, and ignores changes in between.
#[derive(Debug, Default)]
struct RenamesBlindly;

#[async_trait]
impl Fault for RenamesBlindly {
    async fn rename(
        inner: &MemoryStorage,
        from: &SessionId,
        to: &SessionId,
        _: RenameOptions<'_>,
    ) -> Result<bool> {
        let (Some(items), Some(ttl)) =
            (inner.get_session(from).await?, inner.expires_in(from).await?)
        else {
            return Ok(false);
        };
        let copy = Changes::between(None, &items);
        if inner.set_session(to, &copy, SetOptions::create(ttl)).await? == Written::Refused {
            return Ok(false);
        }
        yield_now().await;
        inner.remove_all(from, None).await?;
        Ok(true)
    }
}

#[tokio::test(start_paused = true)]
async fn g4_a_rename_that_ignores_concurrent_changes_is_detected() {
    assert_detected::<RenamesBlindly>(&[
        "a_write_during_a_rename_is_not_lost",
        "a_removal_during_a_rename_wins",
    ])
    .await;
}

/// Never replaces a session by a marker.
#[derive(Debug, Default)]
struct NeverRetires;

#[async_trait]
impl Fault for NeverRetires {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        if options.mode == WriteMode::Retire {
            return Ok(Written::Refused);
        }
        inner.set_session(id, changes, options).await
    }
}

/// Replaces a session by a marker although others have written to it.
#[derive(Debug, Default)]
struct RetiresBlindly;

#[async_trait]
impl Fault for RetiresBlindly {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let now = inner.get_session(id).await?;
        inner.set_session(id, changes, options.seen(now.as_ref())).await
    }
}

#[tokio::test(start_paused = true)]
async fn g4_retiring_a_session_never_or_blindly_is_detected() {
    assert_detected::<NeverRetires>(&["a_session_is_retired_only_as_it_was_seen"]).await;
    assert_detected::<RetiresBlindly>(&["a_session_is_retired_only_as_it_was_seen"]).await;
}
