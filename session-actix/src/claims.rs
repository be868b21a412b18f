//! The ids that a request claims.

use session_core::SessionId;

use crate::signature::{SignatureRing, Verified};

/// Well-formed ids, each once, in the order in which they are to be tried. If ids are signed, with
/// a valid signature.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    first: Option<SessionId>,
    // Allocates only for a second id, which most requests do not have.
    others: Vec<SessionId>,
    outdated: Vec<SessionId>,
}

impl Claims {
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Adds the id of a header or cookie unless it is malformed, not signed or repeated.
    pub(crate) fn add(&mut self, value: &[u8], ring: Option<&SignatureRing>) {
        let claim =
            str::from_utf8(value).ok().filter(|value| !self.has(value)).and_then(
                |value| match ring {
                    Some(ring) => ring.verify(value),
                    None => {
                        Some(Verified { id: SessionId::parse(value).ok()?, is_outdated: false })
                    }
                },
            );
        let Some(Verified { id, is_outdated }) = claim else { return };
        if is_outdated {
            self.outdated.push(id.clone());
        }
        match self.first {
            None => self.first = Some(id),
            Some(_) => self.others.push(id),
        }
    }

    /// Returns whether the id of this value is there already.
    fn has(&self, value: &str) -> bool {
        // The rest is a signature, because an id contains no dot.
        let id = value.split('.').next();
        self.first.iter().chain(&self.others).any(|known| Some(known.as_str()) == id)
    }

    /// Returns the ids, and those of them that were sent in a form that the client should replace.
    pub(crate) fn into_parts(self) -> (impl Iterator<Item = SessionId>, Vec<SessionId>) {
        (self.first.into_iter().chain(self.others), self.outdated)
    }
}
