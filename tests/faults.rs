//! Real servers under load while their store fails in every possible way.
//!
//! Each test injects one fault, checks the histories of all clients, measures the promises for an
//! unavailable store and prints the figures in one line. The tests run one at a time because they
//! measure time. With `RELIABILITY_TABLE=1` they write the lines into `docs/RELIABILITY.md`.

#[path = "support/demo.rs"]
mod demo;
#[path = "history/mod.rs"]
mod history;
mod support;

#[path = "faults/fault_run.rs"]
mod fault_run;
#[path = "faults/figures.rs"]
mod figures;
#[path = "faults/file.rs"]
mod file;
#[path = "faults/health_probe.rs"]
mod health_probe;
#[path = "faults/killed.rs"]
mod killed;
#[path = "faults/near_cache.rs"]
mod near_cache;
#[path = "faults/network.rs"]
mod network;
#[path = "faults/redis.rs"]
mod redis;
#[path = "faults/renewals.rs"]
mod renewals;
#[path = "faults/renewing.rs"]
mod renewing;
#[path = "faults/shard.rs"]
mod shard;
#[path = "faults/table.rs"]
mod table;
