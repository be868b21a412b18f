//! The session of one request.
//!
//! Arrows: `open`, `read`, `write`, `update`, `renew`, `lifetime`, `login`, `close` -> `store`
//! (calls of the storage within the wait budget) -> `handle` ([`Session`]) -> `state` -> `outcome`.
//! `write` also uses `keys`, and `close` `upkeep`.

mod close;
mod handle;
mod keys;
mod lifetime;
mod login;
mod open;
mod outcome;
mod read;
mod renew;
mod state;
mod store;
mod update;
mod upkeep;
mod wait;
mod write;

pub use handle::Session;
pub use keys::Keys;
pub use outcome::{Closed, Outcome};
