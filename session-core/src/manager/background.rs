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

/// Writes under way at once; a Redis connection takes them in one go.
const CONCURRENT: usize = 64;
/// After a failure; the store is asked no more often than this.
const PAUSE: Duration = Duration::from_millis(250);
const SWEEP_EVERY: Duration = Duration::from_secs(60);

pub(super) fn start(runtime: &Handle, shared: &Arc<Shared>) {
    let alive = shared.alive.subscribe();
    let owed = shared.owed.clone();
    runtime.spawn(write_owed_ttls(Arc::downgrade(shared), owed, alive.clone()));
    runtime.spawn(sweep(Arc::downgrade(shared), alive));
}

/// Holds the manager only while it works, so that its end ends the task.
async fn write_owed_ttls(shared: Weak<Shared>, owed: Arc<Notify>, mut alive: watch::Receiver<()>) {
    while let Some(manager) = shared.upgrade() {
        let next = manager.write_due().await;
        drop(manager);
        let wait = async {
            match next {
                ControlFlow::Continue(due) => {
                    select! { () = sleep_until(due) => {}, () = owed.notified() => {} }
                }
                ControlFlow::Break(()) => sleep(PAUSE).await,
            }
        };
        select! { () = wait => {}, _ = alive.changed() => return }
    }
}

async fn sweep(shared: Weak<Shared>, mut alive: watch::Receiver<()>) {
    while let Some(manager) = shared.upgrade() {
        let every = manager.ttl.clamp(Duration::from_secs(1), SWEEP_EVERY);
        if let Err(error) = manager.storage.sweep().await {
            log::warn!("{}", crate::error::chain(&error));
        }
        drop(manager);
        select! { () = sleep(every) => {}, _ = alive.changed() => return }
    }
}

impl Manager {
    /// Writes the times to live that are still owed to the store. To be awaited at shutdown,
    /// after the last request.
    ///
    /// Without it a session used within the last touch interval may expire by that much too
    /// early. Each write is bounded by the timeout; the first that fails ends it, since the store
    /// is then out of reach.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::*;
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// // ... the server runs, and ends:
    /// manager.flush().await;
    /// # Ok(()) }
    /// ```
    pub async fn flush(&self) {
        self.0.flush().await;
    }
}

impl Shared {
    /// Writes what is due; says when there is more, or breaks off if the store fails.
    async fn write_due(&self) -> ControlFlow<(), Instant> {
        let (owed, next) = self.touches.take_due();
        if self.write(owed).await { ControlFlow::Continue(next) } else { ControlFlow::Break(()) }
    }

    async fn flush(&self) {
        let owed = self.touches.take_all();
        self.write(owed).await;
    }

    /// Returns whether the store took them all. After the first failure the rest is not tried.
    async fn write(&self, owed: Vec<Owed>) -> bool {
        let healthy = AtomicBool::new(true);
        stream::iter(owed)
            .for_each_concurrent(CONCURRENT, async |owed| {
                if !healthy.load(Ordering::Relaxed) || !self.write_one(&owed).await {
                    healthy.store(false, Ordering::Relaxed);
                    self.touches.failed(owed);
                }
            })
            .await;
        healthy.into_inner()
    }

    async fn write_one(&self, owed: &Owed) -> bool {
        match timeout(self.timeout, self.storage.update_ttl(&owed.id, owed.ttl)).await {
            Ok(Ok(true)) => self.touches.settled(owed),
            Ok(Ok(false)) => self.touches.forget(&owed.id),
            Ok(Err(_)) | Err(_) => return false,
        }
        true
    }
}
