//! Storages that each break the contract in one way, and the checks that detect it.
//!
//! Each is the memory storage with one fault. The suite runs on one thread with a paused clock, so
//! that the same checks fail each time.

use std::{collections::HashMap, fmt::Debug, sync::Mutex, time::Duration};

use async_trait::async_trait;
use serde_json::value::to_raw_value;
use session_core::{
    Changes, MAX_TTL, MemoryStorage, RenameOptions, Result, SessionId, SetOptions, Snapshot,
    Storage, TtlRange, WriteMode, Written, conformance,
};
use tokio::task::yield_now;

/// A fault of a storage. The provided methods work correctly.
#[async_trait]
trait Fault: Debug + Default + Send + Sync + 'static {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        inner.set_session(id, changes, options).await
    }

    async fn update_ttl(inner: &MemoryStorage, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        inner.update_ttl(id, ttl).await
    }

    async fn remove_all(
        inner: &MemoryStorage,
        id: &SessionId,
        if_seen: Option<&Snapshot>,
    ) -> Result<bool> {
        inner.remove_all(id, if_seen).await
    }

    async fn rename(
        inner: &MemoryStorage,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions,
    ) -> Result<bool> {
        inner.rename(from, to, options).await
    }

    fn cached(&self, inner: &MemoryStorage, id: &SessionId) -> Option<Snapshot> {
        inner.cached(id)
    }
}

#[derive(Debug, Default)]
struct Broken<F> {
    inner: MemoryStorage,
    fault: F,
}

#[async_trait]
impl<F: Fault> Storage for Broken<F> {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.inner.get_session(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        F::set_session(&self.inner, id, changes, options).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        F::update_ttl(&self.inner, id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        F::remove_all(&self.inner, id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.inner.expires_in(id).await
    }

    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions,
    ) -> Result<bool> {
        F::rename(&self.inner, from, to, options).await
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        self.fault.cached(&self.inner, id)
    }
}

/// Asserts that the suite fails on a storage with the fault, at least in these checks.
async fn assert_detected<F: Fault>(expected: &[&str]) {
    let failures = match conformance::run(async || Broken::<F>::default()).await {
        Ok(()) => panic!("{:?} was not detected", F::default()),
        Err(failures) => failures,
    };
    for check in expected {
        assert!(failures.checks().any(|failed| failed == *check), "{check} passed\n{failures}");
    }
}

#[derive(Debug, Default)]
struct NoFault;

impl Fault for NoFault {}

#[tokio::test(start_paused = true)]
async fn a_storage_without_a_fault_passes() {
    conformance::run(async || Broken::<NoFault>::default()).await.unwrap();
}

/// Reads, changes and writes back the whole session, as most session libraries do.
#[derive(Debug, Default)]
struct LosesConcurrentWrites;

#[async_trait]
impl Fault for LosesConcurrentWrites {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let Some(mine) = inner.get_session(id).await? else {
            return inner.set_session(id, changes, options).await;
        };
        yield_now().await;
        let Some(whole) = changes.apply(Some(&mine)) else {
            return inner.set_session(id, changes, options).await;
        };
        let now = inner.get_session(id).await?;
        inner.set_session(id, &Changes::between(now.as_ref(), &whole), options).await
    }
}

#[tokio::test(start_paused = true)]
async fn g1_losing_concurrent_writes_is_detected() {
    assert_detected::<LosesConcurrentWrites>(&[
        "concurrent_writers_of_different_keys_lose_nothing",
        "a_write_during_a_rename_is_not_lost",
    ])
    .await;
}

/// Writes back the whole session even if it was removed in the meantime.
#[derive(Debug, Default)]
struct Resurrects;

#[async_trait]
impl Fault for Resurrects {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let before = inner.get_session(id).await?;
        yield_now().await;
        let written = inner.set_session(id, changes, options).await?;
        match (written, before.as_ref().and_then(|before| changes.apply(Some(before)))) {
            (Written::Refused, Some(whole)) if options.mode == WriteMode::Update => {
                let whole = Changes::between(None, &whole);
                inner.set_session(id, &whole, SetOptions::create(options.ttl)).await
            }
            _ => Ok(written),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g2_resurrecting_a_removed_session_is_detected() {
    assert_detected::<Resurrects>(&[
        "a_removal_during_writes_is_final",
        "a_conditional_removal_loses_no_write",
    ])
    .await;
}

/// Lets an update create the session.
#[derive(Debug, Default)]
struct CreatesByUpdate;

#[async_trait]
impl Fault for CreatesByUpdate {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        match inner.set_session(id, changes, options).await? {
            Written::Refused if options.mode == WriteMode::Update => {
                inner.set_session(id, changes, SetOptions::create(options.ttl)).await
            }
            written => Ok(written),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g3_creating_by_an_update_is_detected() {
    assert_detected::<CreatesByUpdate>(&[
        "update_never_creates",
        "an_expired_session_counts_as_missing",
    ])
    .await;
}

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
            options.ttl = MAX_TTL;
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

/// Renames without a marker.
#[derive(Debug, Default)]
struct LeavesNoMarker;

#[async_trait]
impl Fault for LeavesNoMarker {
    async fn rename(
        inner: &MemoryStorage,
        from: &SessionId,
        to: &SessionId,
        _: RenameOptions,
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
        _: RenameOptions,
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
        _: RenameOptions,
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

/// Writes the items one by one.
#[derive(Debug, Default)]
struct WritesInSteps;

#[async_trait]
impl Fault for WritesInSteps {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let sets_only = changes.iter().all(|(_, item)| item.is_some());
        if options.mode == WriteMode::Create || !sets_only || changes.is_empty() {
            return inner.set_session(id, changes, options).await;
        }
        let mut written = Written::Saved;
        for (key, item) in changes.iter() {
            let mut step = Changes::new();
            step.set(key, item.expect("these changes only set items").to_owned());
            written = inner.set_session(id, &step, options).await?;
            yield_now().await;
        }
        Ok(written)
    }
}

#[tokio::test(start_paused = true)]
async fn g6_writing_in_steps_is_detected() {
    assert_detected::<WritesInSteps>(&[
        "a_reader_never_sees_half_a_write",
        "a_dropped_write_leaves_a_whole_session",
    ])
    .await;
}

/// Removes a session even if it has changed.
#[derive(Debug, Default)]
struct IgnoresTheCondition;

#[async_trait]
impl Fault for IgnoresTheCondition {
    async fn remove_all(
        inner: &MemoryStorage,
        id: &SessionId,
        _: Option<&Snapshot>,
    ) -> Result<bool> {
        inner.remove_all(id, None).await
    }
}

#[tokio::test(start_paused = true)]
async fn g1_ignoring_the_condition_of_a_removal_is_detected() {
    assert_detected::<IgnoresTheCondition>(&[
        "conditional_remove_all_spares_a_changed_session",
        "a_conditional_removal_loses_no_write",
    ])
    .await;
}

/// Converts every item to a `serde_json::Value` and back.
#[derive(Debug, Default)]
struct ReencodesItems;

#[async_trait]
impl Fault for ReencodesItems {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let mut reencoded = Changes::new();
        for (key, item) in changes.iter() {
            match item.map(|item| (item, serde_json::from_str::<serde_json::Value>(item.get()))) {
                Some((_, Ok(value))) => reencoded.set(key, to_raw_value(&value).unwrap()),
                Some((item, Err(_))) => reencoded.set(key, item.to_owned()),
                None => reencoded.remove(key),
            }
        }
        inner.set_session(id, &reencoded, options).await
    }
}

#[tokio::test(start_paused = true)]
async fn reencoding_items_is_detected() {
    assert_detected::<ReencodesItems>(&["items_survive_byte_for_byte"]).await;
}

/// Caches each session once and never updates its copy.
#[derive(Debug, Default)]
struct ServesOutdatedCache(Mutex<HashMap<SessionId, Snapshot>>);

impl Fault for ServesOutdatedCache {
    fn cached(&self, inner: &MemoryStorage, id: &SessionId) -> Option<Snapshot> {
        let mut cached = self.0.lock().unwrap();
        if let Some(session) = inner.cached(id) {
            cached.entry(id.clone()).or_insert(session);
        }
        cached.get(id).cloned()
    }
}

#[tokio::test(start_paused = true)]
async fn serving_outdated_cached_sessions_is_detected() {
    assert_detected::<ServesOutdatedCache>(&[
        "update_sets_and_removes_items_and_keeps_the_rest",
        "remove_all_removes_a_session",
    ])
    .await;
}
