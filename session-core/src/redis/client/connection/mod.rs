//! Connections to servers, and what is known about each server.
//!
//! Each [`Target`] is a server to be connected to, at a fixed address or wherever the sentinels say
//! the master is. Each [`SupervisedConnection`] is one thread's connection to it. Requests read its
//! state and never dial; a supervisor task dials, checks and reconnects. What one supervisor finds
//! out about a server holds for all threads (`condition`), and while the server is down they take
//! turns to try. A thread that has no connection uses one of another thread (`pool`).
//!
//! Arrows: `supervised` -> `supervisor` -> `dial`, `health` -> `target` -> `condition`, `pool`,
//! `server` -> `sentinel` -> `multiplexed` -> `endpoint`, `in_flight`.

mod condition;
mod confirmations;
mod dial;
mod endpoint;
mod health;
mod in_flight;
mod multiplexed;
mod pool;
mod sentinel;
mod server;
mod supervised;
mod supervisor;
mod target;

pub(crate) use endpoint::{Endpoint, PasswordSource};
pub(super) use multiplexed::{Connection, ConnectionWatch};
pub(crate) use sentinel::Sentinels;
pub(crate) use server::Server;
pub(super) use supervised::SupervisedConnection;
pub(crate) use target::{ConnectionRole, Limits, PushListener, Target};
