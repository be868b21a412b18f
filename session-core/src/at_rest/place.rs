//! What an encrypted item is bound to.

use aes_gcm_siv::Nonce;

use super::scratch::Scratch;
use crate::SessionId;

pub(super) const NONCE_LENGTH: usize = 12;

/// What an item is bound to: the id of its session, and its key.
pub(super) struct Place {
    /// The id, a NUL, which no id contains, and the key.
    name: Scratch<192>,
    id_length: usize,
    nonce: Nonce,
}

impl Place {
    #[inline]
    pub(super) fn new(id: &SessionId, key: &str) -> Self {
        let id = id.as_str().as_bytes();
        let mut name = Scratch::new();
        name.resize(id.len() + 1)[..id.len()].copy_from_slice(id);
        // No secret, and no need to be unique: the cipher tolerates equal ones. But each nonce has
        // encryption keys of its own (RFC 8452, section 9), so that sessions have different ones.
        let mut nonce = [0; NONCE_LENGTH];
        let length = id.len().min(NONCE_LENGTH);
        nonce[..length].copy_from_slice(&id[..length]);
        let mut place = Self { name, id_length: id.len(), nonce: nonce.into() };
        place.set_key(key);
        place
    }

    /// For the test vectors, which have other places.
    #[cfg(test)]
    pub(super) fn of_vector(bytes: &[u8], nonce: [u8; NONCE_LENGTH]) -> Self {
        let mut name = Scratch::new();
        name.resize(bytes.len()).copy_from_slice(bytes);
        Self { id_length: bytes.len(), name, nonce: nonce.into() }
    }

    /// Changes the key.
    #[inline]
    pub(super) fn set_key(&mut self, key: &str) {
        let start = self.id_length + 1;
        self.name.resize(start + key.len())[start..].copy_from_slice(key.as_bytes());
    }

    #[inline]
    pub(super) fn name(&self) -> &[u8] {
        self.name.bytes()
    }

    #[inline]
    pub(super) fn nonce(&self) -> &Nonce {
        &self.nonce
    }
}
