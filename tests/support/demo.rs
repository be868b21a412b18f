//! What the tests that run real demo servers share, besides real Redis servers.

#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod store;
