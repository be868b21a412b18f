//! The keys that encrypt items.

use std::{fmt, sync::Arc};

use aes::Aes256Enc;
use aes_gcm_siv::{AeadInOut, AesGcmSiv, KeyInit, Tag};
use base64_simd::URL_SAFE_NO_PAD;
use data_encoding::{BASE32_NOPAD, BASE64};
use hmac::{Hmac, Mac};
use serde_json::value::RawValue;
use sha2::Sha256;
use zeroize::Zeroizing;

use super::{
    opener::{Opener, START, TAG_LENGTH},
    place::Place,
    scratch::ItemBytes,
};
use crate::{Error, Result, SessionId};

const KEY_LENGTH: usize = 32;

/// A key of 32 random bytes. Wiped from memory when dropped; `Debug` does not show it.
#[derive(Clone)]
pub struct EncryptionKey {
    bytes: Box<Zeroizing<[u8; KEY_LENGTH]>>,
    /// With the key expanded. Wiped when dropped, too.
    cipher: Box<AesGcmSiv<Aes256Enc>>,
}

impl EncryptionKey {
    /// Generates a key from random bits of the operating system.
    ///
    /// # Panics
    ///
    /// If the operating system's random generator fails.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::EncryptionKey;
    ///
    /// assert_ne!(EncryptionKey::random(), EncryptionKey::random());
    /// ```
    #[must_use]
    pub fn random() -> Self {
        let mut key = Box::new(Zeroizing::new([0; KEY_LENGTH]));
        getrandom::fill(&mut **key).expect("the operating system's random generator works");
        Self::new(key)
    }

    fn new(bytes: Box<Zeroizing<[u8; KEY_LENGTH]>>) -> Self {
        let cipher = Box::new(AesGcmSiv::new((&**bytes).into()));
        Self { bytes, cipher }
    }

    /// Reads a key: the base64 of 32 bytes, with padding, as `openssl rand -base64 32` prints it.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] for any other text. It does not show the text.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::EncryptionKey;
    ///
    /// assert!(EncryptionKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").is_ok());
    /// assert!(EncryptionKey::parse("c2hvcnQ=").is_err());
    /// ```
    pub fn parse(text: &str) -> Result<Self> {
        Self::read(text).map_err(|problem| Error::Config(format!("encryption key {problem}")))
    }

    fn read(text: &str) -> Result<Self, String> {
        let allowed = format!("allowed is the base64 of {KEY_LENGTH} bytes");
        let bytes = BASE64.decode(text.as_bytes()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| format!("is not base64; {allowed}"))?;
        if bytes.len() != KEY_LENGTH {
            return Err(format!("has {} bytes; {allowed}", bytes.len()));
        }
        let mut key = Box::new(Zeroizing::new([0; KEY_LENGTH]));
        key.copy_from_slice(&bytes);
        Ok(Self::new(key))
    }

    /// Returns the base64 of the key, which is a secret.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::EncryptionKey;
    /// let key = EncryptionKey::random();
    /// assert_eq!(EncryptionKey::parse(&key.to_base64())?, key);
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[must_use]
    pub fn to_base64(&self) -> String {
        BASE64.encode(&**self.bytes)
    }

    /// Returns what stands for a name in the store: an HMAC-SHA-256 under a key that is derived
    /// from this one, so that no key has two purposes.
    fn hide(&self, name: &str) -> String {
        let mac = |key: &[u8], text: &str| {
            let mac = Hmac::<Sha256>::new_from_slice(key);
            let mut mac = mac.expect("HMAC takes keys of any length");
            mac.update(text.as_bytes());
            Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()))
        };
        let key = mac(&**self.bytes, "names of users in session-core");
        BASE32_NOPAD.encode(&*mac(&*key, name))
    }

    fn seal(&self, place: &Place, item: &str) -> Box<RawValue> {
        let mut bytes = ItemBytes::new();
        let bytes = bytes.resize(item.len() + TAG_LENGTH);
        let (encrypted, tag) = bytes.split_at_mut(item.len());
        encrypted.copy_from_slice(item.as_bytes());
        let new = self.cipher.encrypt_inout_detached(place.nonce(), place.name(), encrypted.into());
        tag.copy_from_slice(&new.expect("an item is shorter than 64 GiB"));
        let length = 2 + START.len() + URL_SAFE_NO_PAD.encoded_length(bytes.len());
        let mut text = String::with_capacity(length);
        text.push('"');
        text.push_str(str::from_utf8(&START).expect("it is ASCII"));
        URL_SAFE_NO_PAD.encode_append(bytes, &mut text);
        text.push('"');
        RawValue::from_string(text).expect("a string without escapes is JSON")
    }

    /// Decrypts what [`seal`](Self::seal) has made of an item, in its place. If it was made
    /// otherwise, the bytes stay as they are.
    pub(super) fn open(&self, place: &Place, sealed: &mut [u8]) -> bool {
        let Some((item, tag)) = sealed.split_last_chunk_mut() else { return false };
        let tag: &Tag = (&*tag).into();
        self.cipher.decrypt_inout_detached(place.nonce(), place.name(), item.into(), tag).is_ok()
    }
}

impl PartialEq for EncryptionKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for EncryptionKey {}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey(not shown)")
    }
}

/// One or more encryption keys: the first one encrypts, all of them decrypt.
///
/// To replace a key, put the new one before it on every node. If nodes are restarted one after the
/// other, first add the new one behind it, so that each node can read what others write. Sessions
/// are encrypted anew when they are written. Remove the old key when no session encrypted with it
/// can be left: after the absolute lifetime, or once sessions that are only read may be lost.
///
/// # Examples
///
/// ```
/// use session_core::{EncryptionKey, KeyRing};
///
/// let key = EncryptionKey::random();
/// assert!(KeyRing::new([key.clone()]).is_ok());
/// assert!(KeyRing::new([key.clone(), key]).is_err(), "twice the same");
/// ```
#[derive(Clone)]
pub struct KeyRing(Arc<[EncryptionKey]>);

impl KeyRing {
    /// Makes a ring of keys.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if there is no key, or if two are the same.
    pub fn new(keys: impl IntoIterator<Item = EncryptionKey>) -> Result<Self> {
        Self::ring(keys.into_iter().collect())
    }

    /// Reads keys as [`EncryptionKey::parse`] does.
    ///
    /// # Errors
    ///
    /// [`Error::Config`], which names the key by its place, as in `encryption key 2 has 31 bytes`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::KeyRing;
    /// assert!(KeyRing::parse(["AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="]).is_ok());
    /// let problem = KeyRing::parse(["c2hvcnQ="]).expect_err("it is too short").to_string();
    /// assert!(problem.ends_with("encryption key 1 has 5 bytes; allowed is the base64 of 32 bytes"));
    /// ```
    pub fn parse<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> Result<Self> {
        let read = |(text, place): (T, usize)| {
            let problem = |problem| Error::Config(format!("encryption key {place} {problem}"));
            EncryptionKey::read(text.as_ref()).map_err(problem)
        };
        Self::ring(texts.into_iter().zip(1..).map(read).collect::<Result<_>>()?)
    }

    fn ring(keys: Vec<EncryptionKey>) -> Result<Self> {
        if keys.is_empty() {
            return Err(Error::Config("encryption keys: allowed is one key or more".to_owned()));
        }
        for (index, key) in keys.iter().enumerate() {
            if let Some(other) = keys[..index].iter().position(|other| other == key) {
                let (one, other) = (other + 1, index + 1);
                return Err(Error::Config(format!(
                    "encryption keys {one} and {other} are the same"
                )));
            }
        }
        Ok(Self(keys.into()))
    }

    /// Returns what stands for the name of a user in the store, under each key.
    pub(super) fn hide(&self, user: &str) -> Vec<String> {
        self.0.iter().map(|key| key.hide(user)).collect()
    }

    /// Encrypts an item in its place. The same item always becomes the same text.
    pub(super) fn seal(&self, place: &Place, item: &RawValue) -> Box<RawValue> {
        self.0[0].seal(place, item.get())
    }

    /// Decrypts items of one session.
    #[inline]
    pub(super) fn opener(&self, id: &SessionId) -> Opener<'_> {
        Opener::new(&self.0, id)
    }
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys, not shown)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{opener::Opened, place::NONCE_LENGTH},
        *,
    };

    fn bytes(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    fn key(hex: &str) -> EncryptionKey {
        EncryptionKey::parse(&BASE64.encode(&bytes(hex))).unwrap()
    }

    fn id() -> SessionId {
        SessionId::parse("an-id-of-some-length").unwrap()
    }

    /// Vectors of RFC 8452, appendix C.2: key, nonce, additional data, plaintext, result.
    #[test]
    fn the_cipher_is_aes_256_gcm_siv() {
        for [hex, nonce, name, plain, sealed] in [
            [
                "0100000000000000000000000000000000000000000000000000000000000000",
                "030000000000000000000000",
                "01",
                "0200000000000000",
                "1de22967237a813291213f267e3b452f02d01ae33e4ec854",
            ],
            [
                "3c535de192eaed3822a2fbbe2ca9dfc88255e14a661b8aa82cc54236093bbc23",
                "688089e55540db1872504e1c",
                "734320ccc9d9bbbb19cb81b2af4ecbc3e72834321f7aa0f70b7282b4f33df23f167541",
                "ced532ce4159b035277d4dfbb7db62968b13cd4eec",
                "626660c26ea6612fb17ad91e8e767639edd6c9faee9d6c7029675b89eaf4ba1ded1a286594",
            ],
        ] {
            let nonce: [u8; NONCE_LENGTH] = bytes(nonce).try_into().unwrap();
            let place = Place::of_vector(&bytes(name), nonce);
            let mut result = bytes(sealed);
            assert!(key(hex).open(&place, &mut result));
            result.truncate(result.len() - TAG_LENGTH);
            assert_eq!(result, bytes(plain));
        }
    }

    /// From Python: `AESGCMSIV(bytes(range(32))).encrypt(b"an-id-of-som", b'"bob"',
    /// b"an-id-of-some-length\0name")` of the package `cryptography`. Another form would log out
    /// everybody.
    #[test]
    fn the_form_of_an_encrypted_item_does_not_change() {
        let key = key("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let ring = KeyRing::new([EncryptionKey::random(), key]).unwrap();
        let sealed = "\"$sealed:eszOjG17z2Gjjjp81Azn_rFgUBEa\"";
        let mut opener = ring.opener(&id());
        let Opened::Item(item, is_current) = opener.open("name", sealed) else {
            panic!("it is decrypted")
        };
        assert_eq!((item.get(), is_current), ("\"bob\"", false));
        assert_eq!(ring.0[1].seal(&Place::new(&id(), "name"), "\"bob\"").get(), sealed);
    }

    #[test]
    fn a_text_of_another_form_is_plain() {
        let ring = KeyRing::new([EncryptionKey::random()]).unwrap();
        let mut opener = ring.opener(&id());
        for text in ["1", "\"\"", "\"bob\"", "\"$ealed\"", "{}", "[\"$sealed:\"]", "\"$SEALED:\""] {
            assert!(matches!(opener.open("name", text), Opened::Plain), "{text}");
        }
        for text in ["\"$sealed:\"", "\"$sealed:AAAA\"", "\"$sealed:é\"", "\"$sealed-AAAA\""] {
            assert!(matches!(opener.open("name", text), Opened::Unreadable), "{text}");
        }
    }
}
