//! Helpers for the tests of several crates: real Redis servers, and a proxy that injects network
//! faults.

#![allow(dead_code, reason = "each test uses only some of them")]
#![allow(unreachable_pub, missing_docs)]

pub mod cluster;
pub mod proxy;
pub mod redis;
pub mod sentinel;
