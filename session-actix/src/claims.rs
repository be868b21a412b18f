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
        let Some(Verified { id, is_outdated }) = self.verify(value, ring) else { return };
        if is_outdated {
            self.outdated.push(id.clone());
        }
        match self.first {
            None => self.first = Some(id),
            Some(_) => self.others.push(id),
        }
    }

    fn verify(&self, value: &[u8], ring: Option<&SignatureRing>) -> Option<Verified> {
        let value = str::from_utf8(value).ok()?;
        // The rest is a signature, because an id contains no dot.
        let id = value.split('.').next();
        if self.first.iter().chain(&self.others).any(|known| Some(known.as_str()) == id) {
            return None;
        }
        match ring {
            Some(ring) => ring.verify(value),
            None => Some(Verified { id: SessionId::parse(value).ok()?, is_outdated: false }),
        }
    }

    /// Returns the ids, and those of them that were sent in a form that the client should replace.
    pub(crate) fn into_parts(self) -> (impl Iterator<Item = SessionId>, Vec<SessionId>) {
        (self.first.into_iter().chain(self.others), self.outdated)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signature::Keys;

    #[test]
    fn a_signed_id_is_claimed_once_and_noted_if_another_key_has_signed_it() {
        let ring = |keys: &[[u8; 32]]| {
            let keys = Keys(keys.iter().map(|key| key.to_vec()).collect());
            SignatureRing::new(&keys, false, ("cookie", "sid")).unwrap()
        };
        let [old, both] = [ring(&[[1; 32]]), ring(&[[2; 32], [1; 32]])];
        let [one, two] = ["one", "two"].map(|id| SessionId::parse(id).unwrap());
        let mut claims = Claims::default();
        for value in [
            "one",
            "one.aaaa",
            &both.token(&one),
            &both.token(&one),
            &old.token(&one),
            &old.token(&two),
            &both.token(&two),
        ] {
            claims.add(value.as_bytes(), Some(&both));
        }
        claims.add(b"\xff", Some(&both));
        assert_eq!(claims.len(), 2);
        let (ids, outdated) = claims.into_parts();
        assert_eq!(ids.collect::<Vec<_>>(), [one, two.clone()]);
        assert_eq!(outdated, [two]);
    }
}
