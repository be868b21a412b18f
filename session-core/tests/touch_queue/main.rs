//! How the times to live of sessions in use are kept, with a store that is well, slow, partly away
//! or down.

mod failing;
mod flush;
mod log;
mod outage;
mod runtime;
mod slow;
mod store;

use std::{sync::Arc, time::Duration};

use session_core::{Manager, Session, SessionId};
use store::Store;

const TTL: Duration = Duration::from_secs(60);
const INTERVAL: Duration = Duration::from_secs(6);

fn manager(store: &Arc<Store>) -> Manager {
    let manager = Manager::builder(store.clone()).ttl(TTL).build().unwrap();
    assert_eq!(manager.touch_interval(), INTERVAL);
    manager
}

/// Uses a session, and returns whether the store still had it.
async fn is_used(manager: &Manager, id: &SessionId) -> bool {
    let session: Session = manager.open(Some(id.clone()));
    let exists = session.contains("n").await.unwrap();
    assert!(session.close().await.failure.is_none());
    exists
}

/// Uses sessions that must all exist.
async fn use_all(manager: &Manager, ids: &[SessionId]) {
    for id in ids {
        assert!(is_used(manager, id).await, "{id:?} has expired");
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
