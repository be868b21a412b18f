//! A queue for the writers of one session in this process.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::{SessionId, Snapshot};

/// The queues there are: one for each session whose writers have met a conflict.
///
/// Compare-and-set alone lets one of all that try at the same time through, so fifty writers
/// would make up to 1,275 attempts. In the queue each starts from what the last one has written.
#[derive(Default)]
// A std mutex: the critical section never awaits and is one map operation.
pub(super) struct Gates(Mutex<HashMap<SessionId, Arc<Gate>>>);

/// Passed through one by one, in order, handing on the session as the last writer has left it.
type Gate = tokio::sync::Mutex<Option<Snapshot>>;

/// A writer's place at a gate; the last one to leave takes the gate away.
pub(super) struct Place<'a> {
    gates: &'a Gates,
    id: &'a SessionId,
    gate: Arc<Gate>,
}

impl Gates {
    /// Queues for `id` if others do.
    pub(super) fn join<'a>(&'a self, id: &'a SessionId) -> Option<Place<'a>> {
        let gate = self.lock().get(id)?.clone();
        Some(Place { gates: self, id, gate })
    }

    /// Queues for `id`.
    pub(super) fn enter<'a>(&'a self, id: &'a SessionId) -> Place<'a> {
        let gate = self.lock().entry(id.clone()).or_default().clone();
        Place { gates: self, id, gate }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<SessionId, Arc<Gate>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place<'_> {
    /// Waits for its turn.
    pub(super) async fn turn(&self) -> tokio::sync::MutexGuard<'_, Option<Snapshot>> {
        self.gate.lock().await
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut gates = self.gates.lock();
        // The map's and this one; places are only ever made under the lock.
        if Arc::strong_count(&self.gate) == 2 {
            gates.remove(self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_gate_hands_on_what_the_last_writer_left_and_goes_with_the_last_place() {
        let (gates, id) = (Gates::default(), SessionId::parse("a").unwrap());
        assert!(gates.join(&id).is_none());
        let first = gates.enter(&id);
        let second = gates.join(&id).unwrap();
        *first.turn().await = Snapshot::parse(r#"{"a":1}"#).unwrap();
        drop(first);
        assert_eq!(second.turn().await.take().unwrap().stored(), r#"{"a":1}"#);
        drop(second);
        assert!(gates.lock().is_empty());
    }
}
