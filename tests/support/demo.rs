//! Helpers for tests that run real demo servers.

#![allow(dead_code, reason = "each test uses only some of them")]

pub(crate) mod alone;
pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod store;
