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

use super::{Shared, touch::Owed};

/// Writes under way at once; a Redis connection takes them in one go.
const CONCURRENT: usize = 64;
/// After a failure; the store is asked no more often than this.
const PAUSE: Duration = Duration::from_millis(250);
const SWEEP_EVERY: Duration = Duration::from_secs(60);

pub(super) fn start(runtime: &Handle, shared: &Arc<Shared>) {
    let alive = shared._alive.subscribe();
    let owed = shared.owed.clone();
    runtime.spawn(write_what_is_owed(Arc::downgrade(shared), owed, alive.clone()));
    runtime.spawn(sweep(Arc::downgrade(shared), alive));
}

/// Holds the manager only while it works, so that its end ends the task.
async fn write_what_is_owed(
    shared: Weak<Shared>,
    owed: Arc<Notify>,
    mut alive: watch::Receiver<()>,
) {
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

impl Shared {
    /// Writes what is due; says when there is more, or breaks off if the store fails.
    async fn write_due(&self) -> ControlFlow<(), Instant> {
        let (owed, next) = self.book.take_due();
        if self.write(owed).await { ControlFlow::Continue(next) } else { ControlFlow::Break(()) }
    }

    pub(super) async fn flush(&self) {
        let owed = self.book.take_all();
        self.write(owed).await;
    }

    /// Returns whether the store took them all. After the first failure the rest is not tried.
    async fn write(&self, owed: Vec<Owed>) -> bool {
        let healthy = AtomicBool::new(true);
        stream::iter(owed)
            .for_each_concurrent(CONCURRENT, async |owed| {
                if !healthy.load(Ordering::Relaxed) || !self.write_one(&owed).await {
                    healthy.store(false, Ordering::Relaxed);
                    self.book.failed(owed);
                }
            })
            .await;
        healthy.into_inner()
    }

    async fn write_one(&self, owed: &Owed) -> bool {
        match timeout(self.timeout, self.storage.update_ttl(&owed.id, owed.ttl)).await {
            Ok(Ok(true)) => self.book.settled(owed),
            Ok(Ok(false)) => self.book.forget(&owed.id),
            Ok(Err(_)) | Err(_) => return false,
        }
        true
    }
}
