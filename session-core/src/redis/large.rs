//! Which sessions are large, so that they do not hold up the others.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use super::node::Lane;
use crate::SessionId;

/// From this many bytes on, an answer or a command takes long enough to be in the way of others.
const LARGE: usize = 256 * 1024;
/// Of more large sessions the oldest are forgotten, and noticed again.
const MOST: usize = 4096;

/// The sessions lately seen to be large. They are sent over a connection of their own: on the
/// common one a session of 10 MB would hold up those behind it by 10 to 15 ms.
#[derive(Debug, Default)]
pub(super) struct LargeSessions {
    /// Spares nearly everybody the lock.
    any: AtomicBool,
    // A std mutex: a few map operations, never held across an await.
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    ids: HashSet<SessionId>,
    by_age: VecDeque<SessionId>,
}

impl LargeSessions {
    pub(super) fn lane(&self, id: &SessionId) -> Lane {
        if self.any.load(Ordering::Relaxed) && self.seen().ids.contains(id) {
            Lane::Bulk
        } else {
            Lane::Main
        }
    }

    /// Takes note of so many bytes sent or received for a session.
    pub(super) fn note(&self, id: &SessionId, bytes: usize) {
        if bytes < LARGE {
            return;
        }
        let mut seen = self.seen();
        if seen.ids.insert(id.clone()) {
            seen.by_age.push_back(id.clone());
        }
        if seen.by_age.len() > MOST
            && let Some(oldest) = seen.by_age.pop_front()
        {
            seen.ids.remove(&oldest);
        }
        self.any.store(true, Ordering::Relaxed);
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_large_sessions_take_the_other_lane_and_not_too_many_are_remembered() {
        let (large, id) = (LargeSessions::default(), SessionId::random());
        large.note(&id, LARGE - 1);
        assert_eq!(large.lane(&id), Lane::Main);
        large.note(&id, LARGE);
        assert_eq!(large.lane(&id), Lane::Bulk);
        assert_eq!(large.lane(&SessionId::random()), Lane::Main);
        (0..MOST).for_each(|_| large.note(&SessionId::random(), LARGE));
        assert_eq!(large.lane(&id), Lane::Main);
        assert_eq!(large.seen().ids.len(), MOST);
    }
}
