//! Turns of this process's requests that change the same item again and again.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

use crate::{SessionId, shards::Shards};

/// The sessions whose requests take turns.
///
/// Without turns, many requests that update one item would all try at once, and each round would
/// serve one of them: some would run out of time.
#[derive(Debug, Default)]
pub(crate) struct Turns {
    sessions: Shards<HashMap<SessionId, Arc<AsyncMutex<()>>>, 32>,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn<'a> {
    turns: &'a Turns,
    id: SessionId,
    guard: Option<OwnedMutexGuard<()>>,
}

impl Turns {
    /// Waits for a turn.
    pub(crate) async fn take(&self, id: &SessionId) -> Turn<'_> {
        // Made first, so that a request that gives up waiting removes the entry as well.
        let mut turn = Turn { turns: self, id: id.clone(), guard: None };
        let queue = self.sessions.lock(id.as_str()).entry(id.clone()).or_default().clone();
        turn.guard = Some(queue.lock_owned().await);
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.guard = None;
        let mut sessions = self.turns.sessions.lock(self.id.as_str());
        // Nobody else has a turn or waits for one: they would hold the queue too.
        if sessions.get(&self.id).is_some_and(|queue| Arc::strong_count(queue) == 1) {
            sessions.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_request_at_a_time_has_the_turn_and_nothing_is_left_behind() {
        let turns = Turns::default();
        let [id, other] = ["a", "b"].map(|id| SessionId::parse(id).unwrap());
        let turn = turns.take(&id).await;
        let _ = turns.take(&other).await;
        let waits = timeout(Duration::from_millis(10), turns.take(&id)).await;
        assert!(waits.is_err(), "it waits");
        let count = || turns.sessions.lock_each().map(|shard| shard.len()).sum::<usize>();
        assert_eq!(count(), 1);
        drop(turn);
        assert_eq!(count(), 0);
        drop(turns.take(&id).await);
        assert_eq!(count(), 0);
    }
}
