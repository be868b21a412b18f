//! Session ids.

use std::{borrow::Borrow, fmt, sync::Arc};

use data_encoding::BASE32_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::{Error, Result};

const MAX_LENGTH: usize = 128;
const RANDOM_BYTES: usize = 20;
const RANDOM_LENGTH: usize = 32;
/// The characters of an id that is a hash.
const HASH_LENGTH: usize = 52;
/// What no id begins with.
#[cfg(any(feature = "file", feature = "redis"))]
const INDEX_START: char = '@';
const FINGERPRINT_BYTES: usize = 10;

/// The name of a session: 1 to 128 characters of `A-Z a-z 0-9 _ -`.
///
/// An id gives access to its session, so it has no `Display`, and `Debug` shows at most its first
/// six characters. The syntax is safe in file names, Redis keys, cookies and headers.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(Arc<str>);

impl SessionId {
    /// Generates a new id of 32 characters from 160 random bits of the operating system.
    ///
    /// OWASP asks for at least 128 random bits.
    ///
    /// # Panics
    ///
    /// If the operating system's random generator fails. No session would be safe then.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::SessionId;
    ///
    /// let id = SessionId::random();
    /// assert_eq!(id.as_str().len(), 32);
    /// assert_ne!(id, SessionId::random());
    /// ```
    #[must_use]
    pub fn random() -> Self {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).expect("the operating system's random generator works");
        Self(base32(&bytes).into())
    }

    /// Parses an id that comes from a client or the application.
    ///
    /// Checks only the syntax, not whether the session exists.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidId`] for anything but 1 to 128 characters of `A-Z a-z 0-9 _ -`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::SessionId;
    ///
    /// assert!(SessionId::parse("user-17").is_ok());
    /// assert!(SessionId::parse("../passwd").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() | (byte == b'_') | (byte == b'-');
        // Runs on every request that sends an id. Without an early exit the compiler vectorizes it.
        let all_allowed = |text: &str| text.bytes().fold(true, |all, byte| all & allowed(byte));
        if (1..=MAX_LENGTH).contains(&text.len()) && all_allowed(text) {
            Ok(Self(text.into()))
        } else {
            Err(Error::InvalidId)
        }
    }

    /// Returns the name of the place of a user's index, which is no id that a client can send.
    #[cfg(any(feature = "file", feature = "redis"))]
    pub(crate) fn of_user(user: &str) -> Self {
        Self(format!("{INDEX_START}{}", base32(&Sha256::digest(user.as_bytes()))).into())
    }

    /// Reads the name of a place in a store: that of a session, or of a user's index.
    #[cfg(feature = "file")]
    pub(crate) fn of_store(name: &str) -> Option<Self> {
        let is_index = name
            .strip_prefix(INDEX_START)
            .is_some_and(|hash| hash.len() == HASH_LENGTH && hash.bytes().all(is_base32));
        if is_index { Some(Self(name.into())) } else { Self::parse(name).ok() }
    }

    /// Returns the id that follows this one, with a salt: the first bytes of an HMAC-SHA-256 of the
    /// salt under this id, which tells them to nobody who knows only the salt.
    pub(crate) fn derived(&self, salt: &str) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes());
        let mut mac = mac.expect("HMAC takes keys of any length");
        mac.update(salt.as_bytes());
        let mac = mac.finalize().into_bytes();
        Self(base32(&mac[..RANDOM_BYTES]).into())
    }

    /// Returns the SHA-256 of this id in lower-case base 32: the id under which
    /// [`HashedIds`](crate::HashedIds) stores the session.
    ///
    /// For tools that look into the store.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::SessionId;
    /// let id = SessionId::parse("basket-of-bob")?;
    /// assert_eq!(id.hashed().as_str().len(), 52);
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[must_use]
    pub fn hashed(&self) -> Self {
        let mut text = [0; HASH_LENGTH];
        BASE32_NOPAD.encode_mut(&Sha256::digest(self.0.as_bytes()), &mut text);
        text.make_ascii_lowercase();
        // With one allocation, because each use of a session needs it.
        Self(str::from_utf8(&text).expect("base 32 is ASCII").into())
    }

    /// Returns what can be shown in its place: the beginning of its SHA-256 in base 32.
    ///
    /// 80 bits, which tell sessions apart, and from which nobody learns the id. The same for a
    /// session on every node, as long as its id is not renewed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::SessionId;
    /// let id = SessionId::random();
    /// assert_eq!(id.fingerprint().len(), 16);
    /// assert!(!id.as_str().contains(&id.fingerprint()));
    /// ```
    #[must_use]
    pub fn fingerprint(&self) -> String {
        base32(&Sha256::digest(self.0.as_bytes())[..FINGERPRINT_BYTES])
    }

    /// Returns whether this could be a hash of an id.
    pub(crate) fn is_like_hash(&self) -> bool {
        self.0.len() == HASH_LENGTH && self.0.bytes().all(is_base32)
    }

    /// Returns whether this could be a random id.
    pub(crate) fn is_like_random(&self) -> bool {
        self.0.len() == RANDOM_LENGTH && self.0.bytes().all(is_base32)
    }

    /// Returns the whole id, which is a secret: keep it out of logs and pages.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::SessionId;
    /// let id = SessionId::parse("basket-of-bob")?;
    /// assert_eq!(id.as_str(), "basket-of-bob");
    /// assert_eq!(format!("{id:?}"), "basket…", "shortened for logs");
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Lets maps keyed by ids be searched by `str`.
impl Borrow<str> for SessionId {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for SessionId {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // At most half of it: six characters could be all of a short id set by the application.
        let shown = self.0.len().min(6).min(self.0.len() / 2);
        write!(f, "{}…", &self.0[..shown])
    }
}

/// Encodes as RFC 4648 base 32 in lower case, without padding.
fn base32(bytes: &[u8]) -> String {
    let mut text = BASE32_NOPAD.encode(bytes);
    text.make_ascii_lowercase();
    text
}

fn is_base32(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'2'..=b'7')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_are_32_lower_case_characters_and_differ() {
        let (one, other) = (SessionId::random(), SessionId::random());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 32);
        assert!(one.as_str().bytes().all(is_base32));
    }

    #[test]
    fn a_hash_is_the_sha_256_in_base_32() {
        // From Python: base64.b32encode(hashlib.sha256(b"one").digest()).lower().rstrip(b"=")
        let hash = "o2jmhljvic5yapacbm5o4zwnrcdremru5igg44kdycw5op7ughwq";
        let one = SessionId::parse("one").unwrap();
        assert_eq!(one.hashed().as_str(), hash);
        assert!(one.hashed().is_like_hash());
        assert!(!SessionId::random().is_like_hash());
    }

    #[test]
    fn a_derived_id_depends_on_the_id_and_the_salt() {
        let [one, other] = ["one", "other"].map(|id| SessionId::parse(id).unwrap());
        // From Python: base64.b32encode(hmac.digest(b"one", b"salt", "sha256")[:20]).lower()
        assert_eq!(one.derived("salt").as_str(), "f6mvvm2qkf6qhnf5t2zsv4ksybhai6ox");
        assert_ne!(one.derived("salt"), other.derived("salt"));
        assert_ne!(one.derived("salt"), one.derived("pepper"));
    }

    #[test]
    fn g3_only_the_plain_syntax_is_an_id() {
        for good in ["a", "A-z_09", &"x".repeat(128)] {
            assert!(SessionId::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "a b", "a:b", "../x", "a/b", "a\0", "é", "a\n", "a.b", &"x".repeat(129)] {
            assert!(SessionId::parse(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn g12_debug_shows_only_the_beginning() {
        assert_eq!(format!("{:?}", SessionId::parse("abcdefghijklmnop").unwrap()), "abcdef…");
        assert_eq!(format!("{:?}", SessionId::parse("abcd").unwrap()), "ab…");
    }
}
