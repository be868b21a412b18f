//! What the store is shown of sessions.

use session_core::{
    EncryptionKey, HashedIds, KeyRing, Manager, ManagerBuilder, Result, Sealed, Storage,
};

/// The layers around a storage.
#[derive(Clone, Copy)]
pub(crate) enum Layers {
    None,
    HashedIds,
    EncryptedItems,
    Both,
}

/// Splits the name of a server, such as `hash+encrypted`, into those of its storage and its layers.
pub(crate) fn split(name: &str) -> Option<(&str, Layers)> {
    let (storage, layers) = name.split_once('+').unwrap_or((name, ""));
    let layers = match layers {
        "" => Layers::None,
        "hashed" => Layers::HashedIds,
        "encrypted" => Layers::EncryptedItems,
        "both" => Layers::Both,
        _ => return None,
    };
    Some((storage, layers))
}

impl Layers {
    /// Puts the layers around a storage.
    pub(crate) fn around(self, storage: impl Storage) -> Result<ManagerBuilder> {
        let keys = KeyRing::new([EncryptionKey::random()])?;
        Ok(match self {
            Self::None => Manager::builder(storage),
            Self::HashedIds => Manager::builder(HashedIds::new(storage)),
            Self::EncryptedItems => Manager::builder(Sealed::new(storage, keys)),
            Self::Both => Manager::builder(HashedIds::new(Sealed::new(storage, keys))),
        })
    }
}
