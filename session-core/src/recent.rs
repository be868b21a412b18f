//! The sessions that were used last.

use crate::{SessionId, Snapshot, shards::Shards};

/// The product of these is how many sessions are kept at most.
const PLACES: usize = 512;
const SESSIONS: usize = 4;
/// The longest session that is kept, in bytes.
const LONGEST: usize = 16 * 1024;

/// The last 2,048 sessions that were put here, or somewhat fewer, those of at most 16 KiB.
///
/// They may have changed in the store since. Whoever uses one compares it with what is stored.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    /// Each place has the last sessions of some ids, the newest one first.
    places: Shards<Vec<(SessionId, Snapshot)>, PLACES>,
}

impl Recent {
    /// Returns the session as it was put here, if it is kept.
    pub(crate) fn get(&self, id: &SessionId) -> Option<Snapshot> {
        let place = self.places.lock(id.as_str());
        place.iter().find(|(known, _)| known == id).map(|(_, session)| session.clone())
    }

    /// Keeps a session.
    pub(crate) fn put(&self, id: &SessionId, session: &Snapshot) {
        let mut place = self.places.lock(id.as_str());
        place.retain(|(known, _)| known != id);
        if session.stored().len() <= LONGEST {
            place.truncate(SESSIONS - 1);
            place.insert(0, (id.clone(), session.clone()));
        }
    }

    /// Forgets a session.
    pub(crate) fn remove(&self, id: &SessionId) {
        self.places.lock(id.as_str()).retain(|(known, _)| known != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(text: &str) -> Snapshot {
        Snapshot::parse(format!("{{\"item\":\"{text}\"}}")).unwrap().unwrap()
    }

    #[test]
    fn a_session_is_kept_until_another_one_is_put_or_it_is_removed() {
        let (recent, [id, other]) = (Recent::default(), [(); 2].map(|()| SessionId::random()));
        recent.put(&id, &session("one"));
        assert_eq!(recent.get(&id), Some(session("one")));
        recent.put(&id, &session("two"));
        assert_eq!(recent.get(&id), Some(session("two")));
        assert_eq!(recent.get(&other), None);
        recent.remove(&other);
        assert!(recent.get(&id).is_some());
        recent.remove(&id);
        assert_eq!(recent.get(&id), None);
    }

    #[test]
    fn the_last_sessions_of_a_place_are_kept() {
        let recent = Recent::default();
        let ids: Vec<_> = (0..2 * PLACES * SESSIONS).map(|_| SessionId::random()).collect();
        ids.iter().for_each(|id| recent.put(id, &session(id.as_str())));
        let is_kept = |id: &SessionId| recent.get(id).is_some();
        let kept = ids.iter().filter(|id| is_kept(id)).count();
        assert!((PLACES..=PLACES * SESSIONS).contains(&kept), "{kept}");
        assert!(ids[ids.len() - SESSIONS..].iter().all(is_kept));
        // Putting a session again displaces no other one.
        ids.iter().filter(|id| is_kept(id)).for_each(|id| recent.put(id, &session(id.as_str())));
        assert_eq!(ids.iter().filter(|id| is_kept(id)).count(), kept);
    }

    #[test]
    fn a_large_session_is_not_kept_and_replaces_a_small_one() {
        let (recent, id) = (Recent::default(), SessionId::random());
        recent.put(&id, &session("small"));
        recent.put(&id, &session(&"a".repeat(LONGEST)));
        assert_eq!(recent.get(&id), None);
    }
}
