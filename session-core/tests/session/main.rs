//! Sessions, on storages of both granularities.

mod claims;
mod closing;
mod expiry;
mod ids;
mod items;
mod late_answers;
mod lifetimes;
mod overlap;
#[path = "../support/probe.rs"]
mod probe;
mod reads;
mod renewals;
mod updates;
mod values;

use std::{sync::Arc, time::Duration};

use probe::Probe;
use session_core::{Closed, Granularity, Manager, Outcome, Session, SessionId};

const TTL: Duration = Duration::from_secs(60);

fn managers() -> [(Manager, Arc<Probe>); 2] {
    [Granularity::Whole, Granularity::Item].map(|granularity| {
        let probe = Probe::new(granularity);
        (Manager::builder(probe.clone()).ttl(TTL).build().unwrap(), probe)
    })
}

fn is_whole(manager: &Manager) -> bool {
    manager.storage().granularity() == Granularity::Whole
}

/// Closes a session, which must not fail.
async fn close(session: &Session) -> Outcome {
    let Closed { outcome, failure, .. } = session.close().await;
    assert!(failure.is_none(), "{failure:?}");
    outcome
}

/// Stores a session with the item `n` = 1.
async fn create(manager: &Manager) -> SessionId {
    let session = manager.open(None);
    session.set("n", 1).await.unwrap();
    let Outcome::Issued { id } = close(&session).await else { panic!("no id was issued") };
    id
}

async fn stored(manager: &Manager, id: &SessionId) -> Option<String> {
    let stored = manager.storage().get_session(id).await.unwrap();
    let session = stored.filter(|stored| !stored.is_marker());
    session.map(|session| session.to_json().into_owned())
}
