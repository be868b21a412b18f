//! One write of a time to live.

use std::{slice, sync::Arc, time::Duration};

use futures_util::{FutureExt, future::BoxFuture};
use tokio::time::{Instant, timeout};

use super::super::touch_queue::{Owed, TouchQueue};
use crate::{Error, NewEntry, Result, SessionId, Storage, TtlRange, error::chain};

/// The result of a write.
#[derive(Debug)]
pub(super) struct Written {
    pub(super) id: SessionId,
    /// When this write began, or the first of those of its session that failed in a row.
    pub(super) since: Instant,
    /// Whether the write of this session before failed.
    pub(super) is_retry: bool,
    pub(super) result: Result<()>,
}

/// Returns the future that makes a write, within the limit, and records its result in the queue.
pub(super) fn write(
    queue: Arc<TouchQueue>,
    storage: Arc<dyn Storage>,
    owed: Owed,
    limit: Duration,
) -> BoxFuture<'static, Written> {
    Claim { queue, owed, is_recorded: false }.write(storage, limit).boxed()
}

/// Returns the future that finds out, within the limit, whether a session can be written.
///
/// It keeps a session for at most an interval longer, and one that has expired not at all.
pub(super) fn probe(
    queue: Arc<TouchQueue>,
    storage: Arc<dyn Storage>,
    id: SessionId,
    since: Instant,
    limit: Duration,
) -> BoxFuture<'static, Written> {
    async move {
        // Not from zero, which would end a session that has no time to live.
        let ttl = TtlRange::at_least(queue.interval()).at_most(queue.longest_ttl());
        let ttl = ttl.lifetime(queue.lifetime());
        let update = timeout(limit, storage.update_ttl(&id, ttl)).await;
        let result = update.unwrap_or(Err(Error::Timeout)).map(drop);
        Written { id, since, is_retry: true, result }
    }
    .boxed()
}

/// A write that was taken from the queue.
///
/// If it is dropped unfinished, because a flush was given up or the runtime has ended, the queue
/// counts it as failed. Without that, the session would never be written again.
struct Claim {
    queue: Arc<TouchQueue>,
    owed: Owed,
    is_recorded: bool,
}

impl Claim {
    async fn write(self, storage: Arc<dyn Storage>, limit: Duration) -> Written {
        // Computed now, not when the write became due: a slow store must not prolong the session.
        let Some(ttl) = self.queue.ttl_of(&self.owed) else {
            return self.record(Ok(false));
        };
        let update = timeout(limit, self.extend(&*storage, ttl)).await;
        self.record(update.unwrap_or(Err(Error::Timeout)))
    }

    /// Extends the session, and before it its entry in the index of users. Returns whether the
    /// session exists.
    async fn extend(&self, storage: &dyn Storage, ttl: TtlRange) -> Result<bool> {
        let (queue, Owed { id, user, used, .. }) = (&self.queue, &self.owed);
        let Some(index) = storage.users() else { return storage.update_ttl(id, ttl).await };
        let entry = NewEntry::ttl(queue.entry_ttl_of(&self.owed, ttl));
        if let Some(user) = user {
            index.add(user, id, entry).await?;
            let exists = storage.update_ttl(id, ttl).await?;
            if !exists {
                index.remove(user, slice::from_ref(id)).await?;
            }
            return Ok(exists);
        }
        let Some(session) = storage.update_ttl_with_metadata(id, ttl).await? else {
            return Ok(false);
        };
        // A request on this node has used the session without reading its metadata.
        if let Some(user) = session.has_login().then(|| session.read_meta()).as_ref()
            && let Some(user) = user.user()
        {
            index.add(user, id, entry).await?;
            queue.learned(id, user, *used);
        }
        Ok(true)
    }

    fn record(mut self, exists: Result<bool>) -> Written {
        let (queue, owed) = (&self.queue, &self.owed);
        match &exists {
            Ok(true) => queue.settled(owed),
            Ok(false) => queue.absent(owed),
            Err(error) => {
                log::debug!("time to live of session {:?} not written: {}", owed.id, chain(error));
                queue.failed(owed);
            }
        }
        self.is_recorded = true;
        let Owed { id, since, is_retry, .. } = &self.owed;
        let (id, since, is_retry) = (id.clone(), *since, *is_retry);
        Written { id, since, is_retry, result: exists.map(drop) }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_recorded {
            self.queue.failed(&self.owed);
        }
    }
}
