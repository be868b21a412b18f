//! The requests, as an integration with a web framework sends them to the manager.

use std::{
    future::poll_fn,
    pin::pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::Context,
};

use session_core::{Closed, Manager, SessionId};

use crate::Result;

const ITEM: &str = "count";

/// Starts a session of about 100 bytes.
pub(crate) async fn start_session(manager: Manager) -> Result<SessionId> {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let session = manager.open(None);
    session.set(ITEM, LAST.fetch_add(1, Relaxed)).await?;
    session.set("item000", "x".repeat(75)).await?;
    let id = session.id().await?.ok_or("the session has no id")?;
    check(session.close().await)?;
    Ok(id)
}

/// Reads one item of a session.
pub(crate) async fn read(manager: &Manager, id: &SessionId) -> Result {
    let session = manager.open(Some(id.clone()));
    session.get::<u64>(ITEM).await?.ok_or("the item is gone")?;
    check(session.close().await)
}

fn check(closed: Closed) -> Result {
    closed.failure.map_or(Ok(()), |failure| Err(failure.into()))
}

/// Counts a request in `waited` if it is not answered at once.
pub(crate) async fn noting_waits<T>(request: impl Future<Output = T>, waited: &mut u64) -> T {
    let mut request = pin!(request);
    let mut has_waited = false;
    let poll = |context: &mut Context<'_>| {
        let answer = request.as_mut().poll(context);
        has_waited |= answer.is_pending();
        answer
    };
    let answer = poll_fn(poll).await;
    *waited += u64::from(has_waited);
    answer
}
