//! What a store is shown of a session: hashed ids and encrypted items, in any storage.
//!
//! - `hashed_ids`: the storage is given the hash of each id.
//! - `sealed`: a storage whose items are encrypted. It knows no cryptography.
//! - `key_ring`: the keys; encrypts and decrypts one item.

mod hashed_ids;
#[cfg(feature = "encryption")]
mod key_ring;
#[cfg(feature = "encryption")]
mod sealed;

pub use hashed_ids::HashedIds;
#[cfg(feature = "encryption")]
pub use key_ring::{EncryptionKey, KeyRing};
#[cfg(feature = "encryption")]
pub use sealed::Sealed;
