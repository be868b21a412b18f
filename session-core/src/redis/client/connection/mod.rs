//! One supervised connection to one server.
//!
//! Each [`Target`] is a server to be connected to, at a fixed address or wherever the sentinels say
//! the master is. Each [`SupervisedConnection`] is one thread's connection to it. Requests read its
//! state and never dial; a supervisor task dials, checks and reconnects.
//!
//! Arrows: `supervised` -> `supervisor` -> `health`, `outage`, `target` -> `server` -> `sentinel`
//! -> `multiplexed`. `state` is what supervisor and requests share.

mod address;
mod confirmations;
mod health;
mod in_flight;
mod multiplexed;
mod outage;
mod sentinel;
mod server;
mod state;
mod supervised;
mod supervisor;
mod target;

pub(super) use address::connection_info_at;
pub(super) use in_flight::InFlight;
pub(super) use multiplexed::Connection;
pub(crate) use sentinel::Sentinels;
pub(crate) use server::Server;
pub(super) use supervised::SupervisedConnection;
pub(crate) use target::{PushListener, Target};
