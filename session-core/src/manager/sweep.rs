//! The background task that removes expired sessions from stores that keep them.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{Event, FailureClass, Storage, StoreOperation, error::chain, events::Events};

const MAX_INTERVAL: Duration = Duration::from_secs(60);

/// Sweeps the storage again and again, first after `delay`. Runs until it is dropped.
pub(super) async fn sweep(
    storage: Arc<dyn Storage>,
    ttl: Duration,
    delay: Duration,
    events: Events,
) {
    sleep(delay).await;
    loop {
        if let Err(error) = storage.sweep().await {
            let class = FailureClass::of(&error).unwrap_or(FailureClass::Storage);
            let (operation, reason) = (StoreOperation::Sweep, &chain(&error));
            events.emit(Event::StoreFailed { operation, class, reason, is_new: true });
        }
        sleep(interval(ttl)).await;
    }
}

/// Returns the time between two sweeps.
pub(super) fn interval(ttl: Duration) -> Duration {
    ttl.clamp(Duration::from_secs(1), MAX_INTERVAL)
}
