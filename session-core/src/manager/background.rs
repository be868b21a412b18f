//! The background tasks of a manager.

use std::{
    ops::ControlFlow,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::{StreamExt, stream};
use tokio::{
    runtime::Handle,
    select,
    sync::{Notify, watch},
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    handle::{Manager, Shared},
    touch_queue::Owed,
};
use crate::TtlRange;

/// The maximum number of concurrent writes. A Redis connection sends them together.
const MAX_CONCURRENT_WRITES: usize = 64;
/// The pause before owed writes are retried after a failure.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
const SWEEP_INTERVAL: Duration = Duration::from_secs(60);

pub(super) fn start(runtime: &Handle, shared: &Arc<Shared>) {
    let alive = shared.alive.subscribe();
    let owed = shared.owed.clone();
    runtime.spawn(write_owed_ttls(Arc::downgrade(shared), owed, alive.clone()));
    runtime.spawn(sweep(Arc::downgrade(shared), alive));
}

/// Holds the manager only while writing, so that the task ends with the last clone of it.
async fn write_owed_ttls(shared: Weak<Shared>, owed: Arc<Notify>, mut alive: watch::Receiver<()>) {
    while let Some(manager) = shared.upgrade() {
        let next = manager.write_due().await;
        drop(manager);
        let wait = async {
            match next {
                ControlFlow::Continue(due) => {
                    select! { () = sleep_until(due) => {}, () = owed.notified() => {} }
                }
                ControlFlow::Break(()) => sleep(RETRY_PAUSE).await,
            }
        };
        select! { () = wait => {}, _ = alive.changed() => return }
    }
}

async fn sweep(shared: Weak<Shared>, mut alive: watch::Receiver<()>) {
    while let Some(manager) = shared.upgrade() {
        let interval = manager.ttl.clamp(Duration::from_secs(1), SWEEP_INTERVAL);
        if let Err(error) = manager.storage.sweep().await {
            log::warn!("{}", crate::error::chain(&error));
        }
        drop(manager);
        select! { () = sleep(interval) => {}, _ = alive.changed() => return }
    }
}

impl Manager {
    /// Writes the times to live that are still owed to the store.
    ///
    /// Await it at shutdown, after the last request. Without it, a session used shortly before may
    /// expire early, by up to one touch interval. Each write is bounded by the timeout. No write
    /// starts after the first failure, because the store is then unreachable.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// // When the server shuts down.
    /// manager.flush().await;
    /// # Ok(()) }
    /// ```
    pub async fn flush(&self) {
        self.0.flush().await;
    }
}

impl Shared {
    /// Makes the writes that are due and returns when the next are, or breaks if the store fails.
    async fn write_due(&self) -> ControlFlow<(), Instant> {
        let (owed, next) = self.touches.take_due();
        if self.write(owed).await { ControlFlow::Continue(next) } else { ControlFlow::Break(()) }
    }

    async fn flush(&self) {
        let owed = self.touches.take_all();
        self.write(owed).await;
    }

    /// Returns whether all writes succeeded. After the first failure it starts no other.
    async fn write(&self, owed: Vec<Owed>) -> bool {
        let healthy = AtomicBool::new(true);
        stream::iter(owed)
            .for_each_concurrent(MAX_CONCURRENT_WRITES, async |owed| {
                if !healthy.load(Ordering::Relaxed) || !self.write_one(&owed).await {
                    healthy.store(false, Ordering::Relaxed);
                    self.touches.failed(owed);
                }
            })
            .await;
        healthy.into_inner()
    }

    async fn write_one(&self, owed: &Owed) -> bool {
        // Not longer than this manager's, which reaches a session written under a longer one.
        let ttl = TtlRange::at_least(owed.ttl).at_most(self.ttl + self.touch_interval);
        match timeout(self.timeout, self.storage.update_ttl(&owed.id, ttl)).await {
            Ok(Ok(true)) => self.touches.settled(owed),
            Ok(Ok(false)) => self.touches.forget(&owed.id),
            Ok(Err(_)) | Err(_) => return false,
        }
        true
    }
}
