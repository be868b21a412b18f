//! What a whole session has to be so that encrypted items may be added to it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::decrypter::Decrypter;
use crate::{Condition, SessionId, Snapshot};

/// The session can be decrypted, and all of it is encrypted with the first key.
#[derive(Debug)]
pub(super) struct IsCurrent {
    decrypter: Arc<Decrypter>,
    id: SessionId,
    /// The session as this request has read it.
    seen: Option<Snapshot>,
    /// What the writer expects of the session.
    condition: Option<Arc<dyn Condition>>,
    /// The session that was found, if it is to be encrypted anew as a whole.
    // A std mutex: an assignment, never held across an await.
    outdated: Mutex<Option<Snapshot>>,
}

impl IsCurrent {
    pub(super) fn new(
        decrypter: Arc<Decrypter>,
        id: &SessionId,
        seen: Option<&Snapshot>,
        condition: Option<&Arc<dyn Condition>>,
    ) -> Self {
        let (id, seen, condition) = (id.clone(), seen.cloned(), condition.cloned());
        Self { decrypter, id, seen, condition, outdated: Mutex::default() }
    }

    /// Takes the session that was found, if it is to be encrypted anew as a whole.
    pub(super) fn take_outdated(&self) -> Option<Snapshot> {
        self.outdated().take()
    }

    fn outdated(&self) -> MutexGuard<'_, Option<Snapshot>> {
        self.outdated.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Condition for IsCurrent {
    fn is_met_by(&self, stored: &Snapshot) -> bool {
        let seen = self.seen.clone().filter(|seen| seen.origin() == Some(stored));
        let session = seen.or_else(|| self.decrypter.whole(&self.id, Some(stored.clone())));
        let is_met = |session| self.condition.as_ref().is_none_or(|other| other.is_met_by(session));
        match session {
            Some(session) if session.is_current() => is_met(&session),
            outdated => {
                *self.outdated() = outdated;
                false
            }
        }
    }
}
