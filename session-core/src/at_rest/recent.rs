//! Sessions that were decrypted lately.

use crate::{SessionId, Snapshot, shards::Shards};

/// The product of these is how many sessions are kept at most.
const PLACES: usize = 512;
const SESSIONS: usize = 4;
/// The longest session that is kept, in bytes as it is stored.
const LONGEST: usize = 16 * 1024;

/// The sessions that were decrypted last, each for as long as it is stored as it was then.
///
/// Most requests read a session that no request has changed since the one before.
#[derive(Debug, Default)]
pub(super) struct Recent {
    /// Each place has the last sessions of some ids, the newest one first.
    places: Shards<Vec<(SessionId, Snapshot)>, PLACES>,
}

impl Recent {
    /// Returns the session if it is kept and was decrypted from this one.
    pub(super) fn get(&self, id: &SessionId, stored: &Snapshot) -> Option<Snapshot> {
        let place = self.places.lock(id.as_str());
        let (_, session) = place.iter().find(|(known, _)| known == id)?;
        (session.origin() == Some(stored)).then(|| session.clone())
    }

    /// Keeps a session that was decrypted.
    pub(super) fn put(&self, id: &SessionId, session: &Snapshot) {
        if session.origin().is_some_and(|stored| stored.stored().len() <= LONGEST) {
            let mut place = self.places.lock(id.as_str());
            place.retain(|(known, _)| known != id);
            place.truncate(SESSIONS - 1);
            place.insert(0, (id.clone(), session.clone()));
        }
    }

    /// Forgets a session.
    pub(super) fn remove(&self, id: &SessionId) {
        self.places.lock(id.as_str()).retain(|(known, _)| known != id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{Origin, Writer};

    fn decrypted(text: &str) -> Snapshot {
        let stored = stored(text);
        let mut session = Writer::new(0, 1, None);
        session.item("item", "1");
        session.finish_decrypted(Origin { stored, is_current: true }).unwrap()
    }

    fn stored(text: &str) -> Snapshot {
        Snapshot::parse(format!("{{\"item\":\"{text}\"}}")).unwrap().unwrap()
    }

    #[test]
    fn a_session_is_kept_until_another_text_is_stored_or_it_is_removed() {
        let (recent, [id, other]) = (Recent::default(), [(); 2].map(|()| SessionId::random()));
        recent.put(&id, &decrypted("one"));
        assert!(recent.get(&id, &stored("one")).is_some());
        assert!(recent.get(&id, &stored("two")).is_none());
        assert!(recent.get(&other, &stored("one")).is_none());
        recent.remove(&other);
        assert!(recent.get(&id, &stored("one")).is_some());
        recent.remove(&id);
        assert!(recent.get(&id, &stored("one")).is_none());
    }

    #[test]
    fn the_last_sessions_of_a_place_are_kept() {
        let recent = Recent::default();
        let ids: Vec<_> = (0..2 * PLACES * SESSIONS).map(|_| SessionId::random()).collect();
        ids.iter().for_each(|id| recent.put(id, &decrypted(id.as_str())));
        let is_kept = |id: &SessionId| recent.get(id, &stored(id.as_str())).is_some();
        let kept = ids.iter().filter(|id| is_kept(id)).count();
        assert!((PLACES..=PLACES * SESSIONS).contains(&kept), "{kept}");
        assert!(ids[ids.len() - SESSIONS..].iter().all(is_kept));
        // Putting a session again displaces no other one.
        ids.iter().filter(|id| is_kept(id)).for_each(|id| recent.put(id, &decrypted(id.as_str())));
        assert_eq!(ids.iter().filter(|id| is_kept(id)).count(), kept);
    }

    #[test]
    fn a_large_session_is_not_kept() {
        let (recent, id, text) = (Recent::default(), SessionId::random(), "a".repeat(LONGEST));
        recent.put(&id, &decrypted(&text));
        assert!(recent.get(&id, &stored(&text)).is_none());
    }
}
