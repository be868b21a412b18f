//! What a whole session has to be so that encrypted items may be added to it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

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
    is_outdated: AtomicBool,
}

impl IsCurrent {
    pub(super) fn new(
        decrypter: Arc<Decrypter>,
        id: &SessionId,
        seen: Option<&Snapshot>,
        condition: Option<&Arc<dyn Condition>>,
    ) -> Self {
        let (id, seen, condition) = (id.clone(), seen.cloned(), condition.cloned());
        Self { decrypter, id, seen, condition, is_outdated: AtomicBool::new(false) }
    }

    /// Returns whether the session that was found is to be encrypted anew as a whole.
    pub(super) fn has_found_outdated(&self) -> bool {
        self.is_outdated.load(Ordering::Relaxed)
    }
}

impl Condition for IsCurrent {
    fn is_met_by(&self, stored: &Snapshot) -> bool {
        let seen = self.seen.clone().filter(|seen| seen.origin() == Some(stored));
        let session = seen.or_else(|| self.decrypter.whole(&self.id, Some(stored.clone())));
        let is_current = session.as_ref().is_some_and(Snapshot::is_current);
        self.is_outdated.store(session.is_some() && !is_current, Ordering::Relaxed);
        let is_met = |session| self.condition.as_ref().is_none_or(|other| other.is_met_by(session));
        is_current && session.as_ref().is_some_and(is_met)
    }
}
