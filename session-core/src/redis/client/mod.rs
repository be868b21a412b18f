//! Gets one command to the right server and its answer back, within a deadline.
//!
//! Storages use only what this page exports. Arrows point down this list:
//!
//! - [`Operation`]: one storage operation on one key. Sends commands and scripts, retries what may
//!   be retried, follows redirections (`exchange`), and ends by its deadline.
//! - [`Client`]: what all operations of one handle share, among it the thread that reads and writes
//!   large values (`large`).
//! - `scan`: goes through the keys of all servers, for administration.
//! - `topology`: which server holds a key, and this thread's connections to it.
//! - `connection`: supervised connections: dialling, health checks, reconnecting; and what all
//!   threads know about a server.
//! - `schedule`: turns that the threads take, for attempts that one of them has to make.
//! - `patience`: time limits that a busy thread does not turn into failures.
//! - [`Key`], [`Script`], [`failure`]: keys and scripts as parts of commands, and what an error of
//!   the server means.
//!
//! Nothing here knows how a session is stored.

mod connection;
mod effect;
mod exchange;
pub(crate) mod failure;
mod handle;
mod key;
mod large;
mod large_threads;
mod operation;
mod patience;
mod scan;
mod schedule;
mod script;
mod topology;

pub(crate) use connection::{
    Endpoint, Limits, PasswordSource, PushListener, Sentinels, Server, Target,
};
pub(crate) use effect::Effect;
pub(crate) use handle::Client;
pub(crate) use key::Key;
pub(crate) use large::is_large;
pub(crate) use operation::Operation;
pub(crate) use scan::Position;
pub(crate) use script::{Call, Script};
pub(crate) use topology::{Cluster, Servers};
