//! Storages that each break the contract in one way, and the checks that detect it.
//!
//! Each is the memory storage with one fault. The suite runs on one thread with a paused clock, so
//! that the same checks fail each time.

mod lifetimes;
mod renames;
mod ttls;
mod users;
mod writes;

use std::{collections::HashMap, fmt::Debug, sync::Mutex, time::Duration};

use async_trait::async_trait;
use session_core::{
    Changes, MemoryStorage, RenameOptions, Result, SessionId, SetOptions, Snapshot, Storage,
    TtlRange, Written, conformance,
};

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
        options: RenameOptions<'_>,
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
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        F::rename(&self.inner, from, to, options).await
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        self.fault.cached(&self.inner, id)
    }
}

/// Asserts that the suite fails on a storage with the fault, at least in these checks.
async fn assert_detected<F: Fault>(expected: &[&str]) {
    assert_fails::<Broken<F>>(expected).await;
}

async fn assert_fails<S: Storage + Default>(expected: &[&str]) {
    let failures = match conformance::run(async || S::default()).await {
        Ok(()) => panic!("{:?} was not detected", S::default()),
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
