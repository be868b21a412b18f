//! The settings of a [`Redis`](super::Redis).
//!
//! [`RedisBuilder`] collects them, and `build` checks them. `deployment` turns addresses into
//! servers to connect to, with `address` (URLs), `credentials` and `tls`. Building checks
//! everything and connects to nothing.

mod address;
mod build;
mod builder;
mod credentials;
mod deployment;
#[cfg(feature = "redis-tls")]
mod tls;

pub use builder::RedisBuilder;
