//! A queue for the writers of one session in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{SessionId, Snapshot};

/// The queues of all sessions whose writers have met a conflict.
///
/// With compare-and-set alone only one of the concurrent writers succeeds, so fifty writers would
/// make up to 1,275 attempts. In a queue each writer starts from what the one before has stored.
#[derive(Default)]
// A std mutex: the critical section never awaits and is one map operation.
pub(super) struct WriteQueues(Mutex<HashMap<SessionId, Arc<WriteQueue>>>);

/// Taken by one writer after the other, in order, with the session as the last one stored it.
type WriteQueue = tokio::sync::Mutex<Option<Snapshot>>;

/// A writer in a queue. The last one to leave removes the queue.
pub(super) struct QueuedWriter<'a> {
    queues: &'a WriteQueues,
    id: &'a SessionId,
    queue: Arc<WriteQueue>,
}

impl WriteQueues {
    /// Queues for `id` if there is a queue.
    pub(super) fn join<'a>(&'a self, id: &'a SessionId) -> Option<QueuedWriter<'a>> {
        let queue = self.lock().get(id)?.clone();
        Some(QueuedWriter { queues: self, id, queue })
    }

    /// Queues for `id`.
    pub(super) fn enter<'a>(&'a self, id: &'a SessionId) -> QueuedWriter<'a> {
        let queue = self.lock().entry(id.clone()).or_default().clone();
        QueuedWriter { queues: self, id, queue }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SessionId, Arc<WriteQueue>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl QueuedWriter<'_> {
    /// Waits for this writer's turn, which lasts as long as the guard.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, Option<Snapshot>> {
        self.queue.lock().await
    }
}

impl Drop for QueuedWriter<'_> {
    fn drop(&mut self) {
        let mut queues = self.queues.lock();
        // The map's reference and this one; writers are only added under the lock.
        if Arc::strong_count(&self.queue) == 2 {
            queues.remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_queue_passes_on_what_was_stored_and_ends_with_its_last_writer() {
        let (queues, id) = (WriteQueues::default(), SessionId::parse("a").unwrap());
        assert!(queues.join(&id).is_none());
        let first = queues.enter(&id);
        let second = queues.join(&id).unwrap();
        *first.turn().await = Snapshot::parse(r#"{"a":1}"#).unwrap();
        drop(first);
        assert_eq!(second.turn().await.take().unwrap().stored(), r#"{"a":1}"#);
        drop(second);
        assert!(queues.lock().is_empty());
    }
}
