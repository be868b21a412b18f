//! The ids that a request claims.

use session_core::{ClaimRefusal, SessionId};

use crate::signature::{SignatureRing, Verified};

/// Well-formed ids, each once, in the order in which they are to be tried. If ids are signed, with
/// a valid signature.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    first: Option<SessionId>,
    // Allocates only for a second id, which most requests do not have.
    others: Vec<SessionId>,
    outdated: Vec<SessionId>,
    /// Why others were refused, each reason once.
    refused: [Option<ClaimRefusal>; 2],
}

impl Claims {
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.len()
    }

    /// Adds the id of a header or cookie unless it is malformed, not signed or repeated.
    pub(crate) fn add(&mut self, value: &[u8], ring: Option<&SignatureRing>) {
        let Verified { id, is_outdated } = match self.verify(value, ring) {
            Some(Ok(verified)) => verified,
            Some(Err(reason)) => return self.refuse(reason),
            None => return,
        };
        if is_outdated {
            self.outdated.push(id.clone());
        }
        match self.first {
            None => self.first = Some(id),
            Some(_) => self.others.push(id),
        }
    }

    fn refuse(&mut self, reason: ClaimRefusal) {
        let [first, second] = &mut self.refused;
        if *first.get_or_insert(reason) != reason {
            *second = Some(reason);
        }
    }

    /// Returns an id, or why the value is refused; `None` if it is empty or repeats an id.
    fn verify(
        &self,
        value: &[u8],
        ring: Option<&SignatureRing>,
    ) -> Option<Result<Verified, ClaimRefusal>> {
        let Ok(value) = str::from_utf8(value) else { return Some(Err(ClaimRefusal::Malformed)) };
        // The rest is a signature, because an id contains no dot.
        let id = value.split('.').next();
        let is_known = |known: &SessionId| Some(known.as_str()) == id;
        // A client that wants to be told an id in a header sends an empty one.
        if value.is_empty() || self.first.iter().chain(&self.others).any(is_known) {
            return None;
        }
        let verified = match ring {
            Some(ring) => ring.verify(value),
            None => SessionId::parse(value).ok().map(|id| Verified { id, is_outdated: false }),
        };
        let is_id = || id.is_some_and(|id| SessionId::parse(id).is_ok());
        Some(verified.ok_or_else(|| match ring {
            Some(_) if is_id() => ClaimRefusal::Signature,
            _ => ClaimRefusal::Malformed,
        }))
    }

    /// Returns why claims were refused, each reason once.
    pub(crate) fn refused(&self) -> impl Iterator<Item = ClaimRefusal> + use<> {
        self.refused.into_iter().flatten()
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
    fn a_refused_claim_is_told_once_for_each_reason() {
        let refused = |values: &[&[u8]], ring| {
            let mut claims = Claims::default();
            values.iter().for_each(|value| claims.add(value, ring));
            claims.refused().collect::<Vec<_>>()
        };
        assert_eq!(refused(&[b"one", b"", b"one", b"two"], None), []);
        assert_eq!(
            refused(&[b"a b", b"\xff", b"one.two", b"one"], None),
            [ClaimRefusal::Malformed]
        );
        let keys = Keys(vec![vec![1; 32]]);
        let ring = SignatureRing::new(&keys, false, ("cookie", "sid")).unwrap();
        let values = [&b"one"[..], b"one.aaaa", b"a b.aaaa"];
        let both = [ClaimRefusal::Signature, ClaimRefusal::Malformed];
        assert_eq!(refused(&values, Some(&ring)), both);
    }

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
