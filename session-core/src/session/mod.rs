//! The session of one request.
//!
//! Arrows: `open`, `read`, `write`, `close` -> `store` (asking the storage, within the time left) ->
//! `handle` ([`Session`]) -> `state` (what the request knows) -> `outcome` (what it leaves behind).

mod close;
mod handle;
mod keys;
mod open;
mod outcome;
mod read;
mod renew;
mod state;
mod store;
mod write;

pub use handle::Session;
pub use keys::Keys;
pub use outcome::{Closed, Outcome};
