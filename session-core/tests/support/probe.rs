//! A storage that records its calls and can be made to fail.

#![allow(dead_code, reason = "each test uses only some of it")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use serde_json::value::RawValue;
use session_core::{
    Changes, Error, Granularity, ItemSwap, MemoryStorage, RenameOptions, Result, SessionId,
    SetOptions, Snapshot, Storage, SwapOptions, TtlRange, Written,
};

/// A memory storage with a choice of granularity.
#[derive(Debug)]
pub(crate) struct Probe {
    memory: MemoryStorage,
    granularity: Granularity,
    asked: Mutex<Vec<&'static str>>,
    down: AtomicBool,
    hung: AtomicBool,
    /// The duration of each call, and the maximum that the storage promises.
    latency: Mutex<Option<(Duration, Duration)>>,
}

impl Probe {
    pub(crate) fn new(granularity: Granularity) -> Arc<Self> {
        Arc::new(Self {
            memory: MemoryStorage::new(),
            granularity,
            asked: Mutex::default(),
            down: AtomicBool::new(false),
            hung: AtomicBool::new(false),
            latency: Mutex::default(),
        })
    }

    /// Takes the names of the methods called since this was last called.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Makes every call fail, or stops doing so.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// Makes every call wait for ever.
    pub(crate) fn hang(&self) {
        self.hung.store(true, Ordering::Relaxed);
    }

    /// Makes every call take `duration`, while [`Storage::max_latency`] returns `max`.
    pub(crate) fn slow_down(&self, duration: Duration, max: Duration) {
        *self.latency.lock().unwrap() = Some((duration, max));
    }

    async fn call(&self, method: &'static str) -> Result<&MemoryStorage> {
        self.asked.lock().unwrap().push(method);
        if self.hung.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let latency = *self.latency.lock().unwrap();
        if let Some((duration, _)) = latency {
            tokio::time::sleep(duration).await;
        }
        // Lets other tasks run, as a remote store does.
        tokio::task::yield_now().await;
        if self.down.load(Ordering::Relaxed) {
            return Err(Error::storage("probe", "made to fail"));
        }
        Ok(&self.memory)
    }
}

#[async_trait]
impl Storage for Probe {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.call("get_session").await?.get_session(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        self.call("set_session").await?.set_session(id, changes, options).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        self.call("update_ttl").await?.update_ttl(id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        self.call("remove_all").await?.remove_all(id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.call("expires_in").await?.expires_in(id).await
    }

    fn max_latency(&self) -> Option<Duration> {
        self.latency.lock().unwrap().map(|(_, max)| max)
    }

    fn granularity(&self) -> Granularity {
        self.granularity
    }

    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        self.call("get").await?.get(id, key).await
    }

    async fn get_with_metadata(&self, id: &SessionId, key: &str) -> Result<Option<Snapshot>> {
        self.call("get_with_metadata").await?.get_with_metadata(id, key).await
    }

    async fn contains(&self, id: &SessionId, key: &str) -> Result<bool> {
        self.call("contains").await?.contains(id, key).await
    }

    async fn get_size(&self, id: &SessionId) -> Result<usize> {
        self.call("get_size").await?.get_size(id).await
    }

    async fn swap_item(
        &self,
        id: &SessionId,
        key: &str,
        seen: Option<&RawValue>,
        new: Option<&RawValue>,
        options: SwapOptions<'_>,
    ) -> Result<ItemSwap> {
        self.call("swap_item").await?.swap_item(id, key, seen, new, options).await
    }

    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        self.call("rename").await?.rename(from, to, options).await
    }
}
