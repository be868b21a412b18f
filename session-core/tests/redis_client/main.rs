//! The Redis client on real servers: connections, topologies, failures, TLS, commands on the wire.
#![cfg(feature = "redis")]

#[path = "../common/mod.rs"]
mod common;

mod addresses;
mod confirmations;
mod connections;
mod credentials;
mod failover;
mod faults;
mod idle;
mod refusals;
mod rights;
mod scan;
mod threads;
#[cfg(feature = "redis-tls")]
mod tls;
mod topologies;
mod wire;
