//! The Redis storages on real servers: contract, stored forms, concurrency, near cache.
#![cfg(feature = "redis")]

#[path = "../common/mod.rs"]
mod common;

mod at_rest;
mod concurrency;
mod conformance;
mod near_cache;
mod records;
mod unreadable;
