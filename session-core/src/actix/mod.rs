//! What of this crate actix-web can answer.
//!
//! Here and not in `session-actix`, because only the crate of a type or of a trait may bring the
//! two together.

mod error;
mod snapshot;
