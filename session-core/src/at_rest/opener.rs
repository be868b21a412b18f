//! Decryption of the items of a session.

use std::borrow::Cow;

use base64_simd::{AsOut, URL_SAFE_NO_PAD};
use serde_json::value::RawValue;

use super::{key_ring::EncryptionKey, place::Place, scratch::ItemBytes};
use crate::SessionId;

pub(super) const TAG_LENGTH: usize = 16;
/// What an encrypted item begins with, behind its quote.
pub(super) const START: [u8; 8] = *b"$sealed:";

/// Decrypts items of one session, one after the other in the same memory.
pub(super) struct Opener<'k> {
    keys: &'k [EncryptionKey],
    place: Place,
    bytes: ItemBytes,
}

/// What the text of an item turns out to be.
pub(super) enum Opened<'a> {
    /// It is not encrypted.
    Plain,
    /// The item, and whether the first key encrypts it to the same text.
    Item(&'a RawValue, bool),
    /// It was encrypted with another key, for another place, or was changed.
    Unreadable,
}

impl<'k> Opener<'k> {
    #[inline]
    pub(super) fn new(keys: &'k [EncryptionKey], id: &SessionId) -> Self {
        Self { keys, place: Place::new(id, ""), bytes: ItemBytes::new() }
    }

    /// Decrypts the text of the item with this key.
    pub(super) fn open(&mut self, key: &str, text: &str) -> Opened<'_> {
        let string = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let sealed = string.and_then(|string| string.as_bytes().strip_prefix(&START));
        let Some(sealed) = sealed else {
            return if is_damaged(text) { Opened::Unreadable } else { Opened::Plain };
        };
        let Self { keys, place, bytes } = self;
        let bytes = bytes.resize(sealed.len() * 3 / 4);
        let Ok(bytes) = URL_SAFE_NO_PAD.decode(sealed, bytes.as_out()) else {
            return Opened::Unreadable;
        };
        place.set_key(key);
        let Some(index) = keys.iter().position(|key| key.open(place, bytes)) else {
            return Opened::Unreadable;
        };
        // Another program that has the key may have encrypted anything.
        match serde_json::from_slice(&bytes[..bytes.len() - TAG_LENGTH]) {
            Ok(item) => Opened::Item(item, index == 0),
            Err(_) => Opened::Unreadable,
        }
    }
}

/// Returns the length of an item, given its encrypted text.
pub(super) fn decrypted_length(text: &str) -> usize {
    let encoded = text.len().saturating_sub(2 + START.len());
    (encoded * 3 / 4).saturating_sub(TAG_LENGTH)
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
