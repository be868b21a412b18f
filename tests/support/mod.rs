//! What the tests of several crates need: real servers, and a proxy that can do them harm.

// Each test uses its own part of this.
#![allow(dead_code, unreachable_pub, missing_docs)]

pub mod cluster;
pub mod proxy;
pub mod redis;
pub mod sentinel;
