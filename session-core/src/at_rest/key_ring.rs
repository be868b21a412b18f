//! The keys that encrypt items.

use std::{borrow::Cow, fmt, sync::Arc};

use aes_siv::{KeyInit, Tag, siv::Aes128Siv};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use crate::{Error, Result};

const KEY_LENGTH: usize = 32;
const TAG_LENGTH: usize = 16;
/// What an encrypted item begins with, behind its quote.
const START: [u8; 8] = *b"$sealed:";

/// A key of 32 random bytes. Wiped from memory when dropped; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct EncryptionKey(Box<Zeroizing<[u8; KEY_LENGTH]>>);

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
        Self(key)
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
        Ok(Self(key))
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
        BASE64.encode(&**self.0)
    }

    /// AES-SIV takes a key for CMAC and one for AES, both of 128 bits.
    fn cipher(&self) -> Aes128Siv {
        Aes128Siv::new((&**self.0).into())
    }

    fn seal(&self, place: Place<'_>, item: &str) -> Box<RawValue> {
        let mut bytes = Vec::with_capacity(TAG_LENGTH + item.len());
        bytes.resize(TAG_LENGTH, 0);
        bytes.extend_from_slice(item.as_bytes());
        let tag = self.cipher().encrypt_inout_detached(place, (&mut bytes[TAG_LENGTH..]).into());
        let tag = tag.expect("two headers are not too many");
        bytes[..TAG_LENGTH].copy_from_slice(&tag);
        let length = 2 + START.len() + BASE64URL_NOPAD.encode_len(bytes.len());
        let mut text = String::with_capacity(length);
        text.push('"');
        text.push_str(str::from_utf8(&START).expect("it is ASCII"));
        BASE64URL_NOPAD.encode_append(&bytes, &mut text);
        text.push('"');
        RawValue::from_string(text).expect("a string without escapes is JSON")
    }

    /// Decrypts what [`seal`](Self::seal) has made of an item: the bytes behind its tag.
    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Option<Box<RawValue>> {
        let (tag, item) = sealed.split_at_checked(TAG_LENGTH)?;
        let (tag, mut item) = (Tag::try_from(tag).ok()?, item.to_vec());
        self.cipher().decrypt_inout_detached(place, (&mut item[..]).into(), &tag).ok()?;
        RawValue::from_string(String::from_utf8(item).ok()?).ok()
    }
}

/// What an item is bound to: the id of its session, and its key.
type Place<'a> = [&'a str; 2];

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionKey(not shown)")
    }
}

/// One or more encryption keys: the first one encrypts, all of them decrypt.
///
/// To replace a key, put the new one before it on every node. If nodes are restarted one after the
/// other, first add the new one behind it, so that each node can read what others write. Sessions are
/// encrypted anew when they are written. Remove the old key when no session encrypted with it can be
/// left: after the absolute lifetime, or once sessions that are only read may be lost.
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

/// What the text of an item turns out to be.
pub(super) enum Opened {
    /// It is not encrypted.
    Plain,
    /// The item, and whether the first key encrypts it to the same text.
    Item(Box<RawValue>, bool),
    /// It was encrypted with another key, for another place, or was changed.
    Unreadable,
}

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

    /// Encrypts an item for one session and key. The same item always becomes the same text.
    pub(super) fn seal(&self, place: Place<'_>, item: &RawValue) -> Box<RawValue> {
        self.0[0].seal(place, item.get())
    }

    /// Decrypts the text of an item.
    pub(super) fn open(&self, place: Place<'_>, text: &str) -> Opened {
        let string = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let sealed = string.and_then(|string| string.as_bytes().strip_prefix(&START));
        let Some(sealed) = sealed else {
            return if is_damaged(text) { Opened::Unreadable } else { Opened::Plain };
        };
        let Ok(sealed) = BASE64URL_NOPAD.decode(sealed) else { return Opened::Unreadable };
        let mut keys = self.0.iter().zip(0..);
        let opened = keys.find_map(|(key, place_of_key)| {
            Some(Opened::Item(key.open(place, &sealed)?, place_of_key == 0))
        });
        opened.unwrap_or(Opened::Unreadable)
    }
}

/// Returns whether a text that is not of the encrypted form has been, but for a few wrong bits.
fn is_damaged(text: &str) -> bool {
    // With escapes, because a wrong bit can make a control character.
    let string = serde_json::from_str::<Cow<'_, str>>(text).unwrap_or_default();
    string.as_bytes().first_chunk().is_some_and(|start| {
        let difference = u64::from_be_bytes(*start) ^ u64::from_be_bytes(START);
        difference.count_ones() <= 4
    })
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyRing({} keys, not shown)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap()
    }

    fn key(hex: &str) -> EncryptionKey {
        EncryptionKey::parse(&BASE64.encode(&bytes(hex))).unwrap()
    }

    /// The vectors of RFC 5297, appendix A.
    #[test]
    fn the_cipher_is_aes_siv() {
        let vectors: [(&str, &[&str], &str, &str); 2] = [
            (
                "fffefdfcfbfaf9f8f7f6f5f4f3f2f1f0f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
                &["101112131415161718191a1b1c1d1e1f2021222324252627"],
                "112233445566778899aabbccddee",
                "85632d07c6e8f37f950acd320a2ecc9340c02b9690c4dc04daef7f6afe5c",
            ),
            (
                "7f7e7d7c7b7a79787776757473727170404142434445464748494a4b4c4d4e4f",
                &[
                    "00112233445566778899aabbccddeeffdeaddadadeaddadaffeeddccbbaa99887766554433221100",
                    "102030405060708090a0",
                    "09f911029d74e35bd84156c5635688c0",
                ],
                "7468697320697320736f6d6520706c61696e7465787420746f20656e6372797074\
                 207573696e67205349562d414553",
                "7bdb6e3b432667eb06f4d14bff2fbd0fcb900f2fddbe404326601965c889bf17\
                 dba77ceb094fa663b7a3f748ba8af829ea64ad544a272e9c485b62a3fd5c0d",
            ),
        ];
        for (hex, headers, plain, sealed) in vectors {
            let (headers, mut text) = (headers.iter().map(|hex| bytes(hex)), bytes(plain));
            let tag = key(hex).cipher().encrypt_inout_detached(headers, (&mut text[..]).into());
            assert_eq!([&tag.unwrap()[..], &text].concat(), bytes(sealed));
        }
    }

    /// From Python: `AESSIV(bytes(range(32))).encrypt(b'"bob"', [b"id", b"name"])` of the package
    /// `cryptography`. Another form would log out everybody.
    #[test]
    fn the_form_of_an_encrypted_item_does_not_change() {
        let key = key("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
        let ring = KeyRing::new([EncryptionKey::random(), key]).unwrap();
        let sealed = "\"$sealed:bMWvO03d8AlAaopxB3TthYVvNQl6\"";
        let Opened::Item(item, is_current) = ring.open(["id", "name"], sealed) else {
            panic!("it is decrypted")
        };
        assert_eq!((item.get(), is_current), ("\"bob\"", false));
        assert_eq!(ring.0[1].seal(["id", "name"], "\"bob\"").get(), sealed);
    }

    #[test]
    fn a_text_of_another_form_is_plain() {
        let ring = KeyRing::new([EncryptionKey::random()]).unwrap();
        for text in ["1", "\"\"", "\"bob\"", "\"$ealed\"", "{}", "[\"$sealed:\"]", "\"$SEALED:\""] {
            assert!(matches!(ring.open(["id", "name"], text), Opened::Plain), "{text}");
        }
        for text in ["\"$sealed:\"", "\"$sealed:AAAA\"", "\"$sealed:é\"", "\"$sealed-AAAA\""] {
            assert!(matches!(ring.open(["id", "name"], text), Opened::Unreadable), "{text}");
        }
    }
}
