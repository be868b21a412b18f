//! Signatures of the ids that clients are sent.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use session_core::{Error, Result, SessionId};
use sha2::Sha256;

/// The number of bytes of a signature. Of the 32 that HMAC-SHA-256 has, RFC 2104 allows half.
const BYTES: usize = 20;
/// The number of characters that a signature adds to an id, with the dot between them.
pub(crate) const SUFFIX: usize = 1 + BYTES * 8 / 5;
const MIN_KEY_BYTES: usize = 32;

/// The keys as they were configured.
pub(crate) struct Keys(pub(crate) Vec<Vec<u8>>);

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} keys, not shown)", self.0.len())
    }
}

/// The keys of one middleware: the first one signs, all of them verify.
pub(crate) struct SignatureRing {
    /// With the name of the session already hashed.
    keys: Vec<Hmac<Sha256>>,
    accepts_unsigned: bool,
}

/// An id that a client may claim.
#[derive(Debug, PartialEq)]
pub(crate) struct Verified {
    pub(crate) id: SessionId,
    /// Whether the client should be sent a token of the first key.
    pub(crate) is_outdated: bool,
}

impl SignatureRing {
    /// Creates a ring whose signatures are valid only for the cookie or header of this name.
    pub(crate) fn new(
        keys: &Keys,
        accepts_unsigned: bool,
        (kind, name): (&str, &str),
    ) -> Result<Self> {
        let problem = |problem: String| Err(Error::Config(format!("signing_keys: {problem}")));
        let mut ring: Vec<Hmac<Sha256>> = Vec::new();
        for (place, key) in (1..).zip(&keys.0) {
            if key.len() < MIN_KEY_BYTES {
                return problem(format!(
                    "key {place} has {} bytes; allowed are {MIN_KEY_BYTES} or more",
                    key.len()
                ));
            }
            let mut mac = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
            // Neither part contains a NUL, so no other name and id make the same message.
            mac.update(format!("session-actix 1\0{kind}\0{name}\0").as_bytes());
            // Not the bytes are compared, because HMAC pads keys: some are different but equal.
            let signature = mac.clone().finalize();
            if let Some(other) = ring.iter().position(|mac| mac.clone().finalize() == signature) {
                return problem(format!("keys {} and {place} are the same", other + 1));
            }
            ring.push(mac);
        }
        if ring.is_empty() {
            return problem("allowed is one key or more".to_owned());
        }
        Ok(Self { keys: ring, accepts_unsigned })
    }

    /// Returns what the client is sent: the id, a dot and the signature.
    pub(crate) fn token(&self, id: &SessionId) -> String {
        let mut mac = self.keys[0].clone();
        mac.update(id.as_str().as_bytes());
        let mut token = String::with_capacity(id.as_str().len() + SUFFIX);
        token.push_str(id.as_str());
        token.push('.');
        encode(&mac.finalize().into_bytes()[..BYTES], &mut token);
        token
    }

    /// Returns the id of a token, or `None` if none of the keys has signed it.
    pub(crate) fn verify(&self, token: &str) -> Option<Verified> {
        let Some((id, signature)) = token.split_once('.') else {
            let id = self.accepts_unsigned.then(|| SessionId::parse(token).ok()).flatten()?;
            return Some(Verified { id, is_outdated: true });
        };
        // Both first, because they are cheaper than HMAC and bound what it has to hash.
        let (id, signature) = (SessionId::parse(id).ok()?, decode(signature)?);
        let has_signed = |mac: &Hmac<Sha256>| {
            let mac = mac.clone().chain_update(id.as_str().as_bytes());
            mac.verify_truncated_left(&signature).is_ok()
        };
        let place = self.keys.iter().position(has_signed)?;
        Some(Verified { id, is_outdated: place > 0 })
    }
}

impl fmt::Debug for SignatureRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({} keys, not shown)", self.keys.len())
    }
}

/// Appends bytes as RFC 4648 base 32 in lower case, as in random ids: a token needs no escaping.
fn encode(bytes: &[u8], text: &mut String) {
    let start = text.len();
    BASE32_NOPAD.encode_append(bytes, text);
    text[start..].make_ascii_lowercase();
}

/// Returns the bytes of a signature. Each one has a single form: there are no spare bits.
fn decode(text: &str) -> Option<[u8; BYTES]> {
    if text.len() != SUFFIX - 1 || text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let bytes = BASE32_NOPAD.decode(text.to_ascii_uppercase().as_bytes()).ok()?;
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: (&str, &str) = ("cookie", "sid");

    fn ring(keys: &[&[u8]], name: (&str, &str)) -> Result<SignatureRing> {
        SignatureRing::new(&Keys(keys.iter().map(|key| key.to_vec()).collect()), false, name)
    }

    fn id() -> SessionId {
        SessionId::parse("mzxw6ytbojtg633cmfzgm33pmjqxeztp").unwrap()
    }

    /// The signature was computed by Python's `hmac`. Another form would log out everybody.
    #[test]
    fn the_form_of_a_token_does_not_change() {
        let key: Vec<u8> = (0..32).collect();
        let token = ring(&[&key], SID).unwrap().token(&id());
        let signature = "vvmu4yh2fcbpz2ujg6jormcmuev7x2jw";
        assert_eq!(token, format!("mzxw6ytbojtg633cmfzgm33pmjqxeztp.{signature}"));
        assert_eq!(token.len(), 32 + SUFFIX);
    }

    #[test]
    fn the_first_key_signs_and_all_keys_verify() {
        let (old, new) = ([1; 32], [2; 32]);
        let [before, both, after] =
            [&[&old[..]][..], &[&new, &old], &[&new]].map(|keys| ring(keys, SID).unwrap());
        let claim = |is_outdated| Some(Verified { id: id(), is_outdated });
        assert_eq!(both.verify(&before.token(&id())), claim(true));
        assert_eq!(both.verify(&both.token(&id())), claim(false));
        assert_eq!(after.verify(&both.token(&id())), claim(false));
        assert_eq!(after.verify(&before.token(&id())), None);
    }

    #[test]
    fn a_signature_is_valid_for_one_name_only() {
        let token = ring(&[&[1; 32]], SID).unwrap().token(&id());
        for other in [("cookie", "id"), ("cookie", "sid2"), ("header", "sid")] {
            assert_eq!(ring(&[&[1; 32]], other).unwrap().verify(&token), None, "{other:?}");
        }
    }

    #[test]
    fn no_change_of_a_token_is_accepted() {
        let ring = ring(&[&[1; 32], &[2; 32]], SID).unwrap();
        let token = ring.token(&id());
        for place in 0..token.len() {
            for byte in [b'a', b'b', b'.', b'A', b'=', b' '] {
                let mut changed = token.clone().into_bytes();
                changed[place] = byte;
                let changed = String::from_utf8(changed).unwrap();
                assert!(changed == token || ring.verify(&changed).is_none(), "{changed}");
            }
            assert_eq!(ring.verify(&token[..place]), None);
            assert_eq!(ring.verify(&token[place + 1..]), None);
        }
        let (plain, signature) = token.split_once('.').unwrap();
        let long = "x".repeat(129);
        for bad in [
            "",
            ".",
            plain,
            &format!("{plain}."),
            &format!(".{signature}"),
            &format!("{token}a"),
            &format!("{token}.{signature}"),
            &format!("{plain}.{}", signature.to_uppercase()),
            &format!("é.{signature}"),
            &format!("{long}.{signature}"),
        ] {
            assert_eq!(ring.verify(bad), None, "{bad}");
        }
    }

    #[test]
    fn keys_that_protect_nothing_are_refused() {
        let problem = |keys: &[&[u8]]| ring(keys, SID).expect_err("refused").to_string();
        assert!(problem(&[]).ends_with("signing_keys: allowed is one key or more"));
        let short = problem(&[&[1; 32], &[7; 31]]);
        assert!(short.ends_with("key 2 has 31 bytes; allowed are 32 or more"), "{short}");
        let twice = problem(&[&[1; 32], &[7; 32], &[1; 32]]);
        assert!(twice.ends_with("signing_keys: keys 1 and 3 are the same"), "{twice}");
        let mut padded = [0; 33];
        padded[..32].fill(7);
        assert!(problem(&[&[7; 32], &padded]).contains("the same"), "HMAC adds zeros, too");
    }

    #[test]
    fn g12_no_key_is_shown() {
        let keys = Keys(vec![vec![77; 32]]);
        let ring = SignatureRing::new(&keys, false, SID).unwrap();
        for shown in [format!("{keys:?}"), format!("{ring:?}"), format!("{ring:#?}")] {
            assert_eq!(shown, "(1 keys, not shown)");
        }
    }
}
