//! Gets one command to the right server and its answer back, within a deadline.
//!
//! Storages use only what this page exports. Arrows point down this list:
//!
//! - [`Operation`]: one storage operation on one key. Sends commands and scripts, retries what may
//!   be retried, follows redirections (`exchange`), and ends by its deadline.
//! - [`Client`]: what all operations of one handle share, among it the thread that reads and writes
//!   large values (`large`).
//! - `topology`: which server holds a key, and this thread's connections to it.
//! - `connection`: one supervised connection: dialling, health checks, reconnecting.
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
mod operation;
mod script;
mod topology;

pub(crate) use connection::{PushListener, Sentinels, Server, Target};
pub(crate) use effect::Effect;
pub(crate) use handle::Client;
pub(crate) use key::Key;
pub(crate) use large::is_large;
pub(crate) use operation::Operation;
pub(crate) use script::{Call, Script};
pub(crate) use topology::{Cluster, Servers};
