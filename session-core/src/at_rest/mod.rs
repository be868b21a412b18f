//! What a store is shown of a session: hashed ids and encrypted items, in any storage.
//!
//! - `current`: what a session has to be so that encrypted items may be added to it.
//! - `decrypter`: decrypts what a storage returns.
//! - `hashed_ids`: the storage is given the hash of each id.
//! - `sealed`: a storage whose items are encrypted. It knows no cryptography.
//! - `hashed_users`, `sealed_login`: the index of users through these layers, and whose session it
//!   is.
//! - `key_ring`: the keys; encrypts an item.
//! - `opener`: decrypts the items of a session.
//! - `place`: what an encrypted item is bound to.
//! - `scratch`: bytes that are needed for a moment.

#[cfg(feature = "encryption")]
mod current;
#[cfg(feature = "encryption")]
mod decrypter;
mod hashed_ids;
mod hashed_users;
#[cfg(feature = "encryption")]
mod key_ring;
#[cfg(feature = "encryption")]
mod opener;
#[cfg(feature = "encryption")]
mod place;
#[cfg(feature = "encryption")]
mod scratch;
#[cfg(feature = "encryption")]
mod sealed;
#[cfg(feature = "encryption")]
mod sealed_login;

pub use hashed_ids::HashedIds;
#[cfg(feature = "encryption")]
pub use key_ring::{EncryptionKey, KeyRing};
#[cfg(feature = "encryption")]
pub use sealed::Sealed;
