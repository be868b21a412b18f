//! Sessions that were decrypted lately.

use crate::{SessionId, Snapshot, shards::Shards};

/// How many sessions are kept at most.
const SESSIONS: usize = 2048;
/// The longest session that is kept, in bytes as it is stored.
const LONGEST: usize = 16 * 1024;

/// The sessions that were decrypted last, each for as long as it is stored as it was then.
///
/// Most requests read a session that no request has changed since the one before.
#[derive(Debug, Default)]
pub(super) struct Recent {
    // Each place is for the sessions of some ids, and has the last one of them.
    places: Shards<Option<(SessionId, Snapshot)>, SESSIONS>,
}

impl Recent {
    /// Returns the session if it is kept and was decrypted from this one.
    pub(super) fn get(&self, id: &SessionId, stored: &Snapshot) -> Option<Snapshot> {
        let place = self.places.lock(id.as_str());
        let (known, session) = place.as_ref()?;
        (known == id && session.origin() == Some(stored)).then(|| session.clone())
    }

    /// Keeps a session that was decrypted.
    pub(super) fn put(&self, id: &SessionId, session: &Snapshot) {
        if session.origin().is_some_and(|stored| stored.stored().len() <= LONGEST) {
            *self.places.lock(id.as_str()) = Some((id.clone(), session.clone()));
        }
    }

    /// Forgets a session.
    pub(super) fn remove(&self, id: &SessionId) {
        let mut place = self.places.lock(id.as_str());
        if place.as_ref().is_some_and(|(known, _)| known == id) {
            *place = None;
        }
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
    fn ids_that_share_a_place_have_only_their_own_sessions() {
        let recent = Recent::default();
        let ids: Vec<_> = (0..2 * SESSIONS).map(|_| SessionId::random()).collect();
        ids.iter().for_each(|id| recent.put(id, &decrypted(id.as_str())));
        let kept = ids.iter().filter_map(|id| recent.get(id, &stored(id.as_str())));
        let kept = kept.inspect(|session| assert_eq!(session.item("item"), Some("1"))).count();
        assert!((1..=SESSIONS).contains(&kept), "{kept}");
    }

    #[test]
    fn a_large_session_is_not_kept() {
        let (recent, id, text) = (Recent::default(), SessionId::random(), "a".repeat(LONGEST));
        recent.put(&id, &decrypted(&text));
        assert!(recent.get(&id, &stored(&text)).is_none());
    }
}
