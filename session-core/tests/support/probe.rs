//! A storage that counts what is asked of it and can be told to fail.

#![allow(dead_code, reason = "each test uses the part it needs")]

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
    Changes, Error, Granularity, MemoryStorage, Result, SessionId, SetOptions, Snapshot, Storage,
    Written,
};

/// Memory behind a counter, used whole or item by item.
#[derive(Debug)]
pub(crate) struct Probe {
    memory: MemoryStorage,
    granularity: Granularity,
    asked: Mutex<Vec<&'static str>>,
    down: AtomicBool,
    hung: AtomicBool,
    slow: Mutex<Option<(Duration, Duration)>>,
}

impl Probe {
    pub(crate) fn new(granularity: Granularity) -> Arc<Self> {
        Arc::new(Self {
            memory: MemoryStorage::new(),
            granularity,
            asked: Mutex::default(),
            down: AtomicBool::new(false),
            hung: AtomicBool::new(false),
            slow: Mutex::default(),
        })
    }

    /// Takes the operations asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    /// Answers everything with a failure from now on.
    pub(crate) fn set_down(&self, down: bool) {
        self.down.store(down, Ordering::Relaxed);
    }

    /// Answers nothing from now on.
    pub(crate) fn hang(&self) {
        self.hung.store(true, Ordering::Relaxed);
    }

    /// Takes so long for each answer from now on, and says that it takes no longer than `bound`.
    pub(crate) fn slow_down(&self, answer: Duration, bound: Duration) {
        *self.slow.lock().unwrap() = Some((answer, bound));
    }

    async fn ask(&self, operation: &'static str) -> Result<&MemoryStorage> {
        self.asked.lock().unwrap().push(operation);
        if self.hung.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        let slow = *self.slow.lock().unwrap();
        if let Some((answer, _)) = slow {
            tokio::time::sleep(answer).await;
        }
        // Lets others in between, as a real store does.
        tokio::task::yield_now().await;
        if self.down.load(Ordering::Relaxed) {
            return Err(Error::storage("probe", "told to fail"));
        }
        Ok(&self.memory)
    }
}

#[async_trait]
impl Storage for Probe {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.ask("get_session").await?.get_session(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        self.ask("set_session").await?.set_session(id, changes, options).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: Duration) -> Result<bool> {
        self.ask("update_ttl").await?.update_ttl(id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        self.ask("remove_all").await?.remove_all(id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.ask("expires_in").await?.expires_in(id).await
    }

    fn max_latency(&self) -> Option<Duration> {
        self.slow.lock().unwrap().map(|(_, bound)| bound)
    }

    fn granularity(&self) -> Granularity {
        self.granularity
    }

    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        self.ask("get").await?.get(id, key).await
    }

    async fn contains(&self, id: &SessionId, key: &str) -> Result<bool> {
        self.ask("contains").await?.contains(id, key).await
    }

    async fn get_size(&self, id: &SessionId) -> Result<usize> {
        self.ask("get_size").await?.get_size(id).await
    }

    async fn rename(&self, from: &SessionId, to: &SessionId) -> Result<bool> {
        self.ask("rename").await?.rename(from, to).await
    }
}
