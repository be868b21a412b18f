//! Implementations of actix-web's response traits.
//!
//! They are not in `session-actix`, because only the crate that defines the type or the trait may
//! implement it (the orphan rule).

mod error;
mod snapshot;
