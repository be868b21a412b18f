//! What an encrypted item is bound to.

use aes_gcm_siv::Nonce;

use crate::SessionId;

pub(super) const NONCE_LENGTH: usize = 12;

/// What an item is bound to: the id of its session, and its key.
pub(super) struct Place {
    /// The id, a NUL, which no id contains, and the key.
    name: Vec<u8>,
    id_length: usize,
    nonce: Nonce,
}

impl Place {
    pub(super) fn new(id: &SessionId, key: &str) -> Self {
        let id = id.as_str().as_bytes();
        let name = [id, b"\0", key.as_bytes()].concat();
        // No secret, and no need to be unique: the cipher tolerates equal ones. But each nonce has
        // encryption keys of its own (RFC 8452, section 9), so that sessions have different ones.
        let mut nonce = [0; NONCE_LENGTH];
        let length = id.len().min(NONCE_LENGTH);
        nonce[..length].copy_from_slice(&id[..length]);
        Self { name, id_length: id.len(), nonce: nonce.into() }
    }

    /// For the test vectors, which have other places.
    #[cfg(test)]
    pub(super) fn of_vector(name: Vec<u8>, nonce: [u8; NONCE_LENGTH]) -> Self {
        Self { id_length: name.len(), name, nonce: nonce.into() }
    }

    /// Changes the key.
    pub(super) fn set_key(&mut self, key: &str) {
        self.name.truncate(self.id_length + 1);
        self.name.extend_from_slice(key.as_bytes());
    }

    pub(super) fn name(&self) -> &[u8] {
        &self.name
    }

    pub(super) fn nonce(&self) -> &Nonce {
        &self.nonce
    }
}
