//! Real servers under load while their store fails in every way it can.
//!
//! Each fault is one test: the histories of all clients are checked, and the promises of a sick
//! store are measured and told in one line. One at a time, since they measure time. With
//! `RELIABILITY_TABLE=1` the lines go into `docs/RELIABILITY.md`.

#[path = "support/demo.rs"]
mod demo;
#[path = "history/mod.rs"]
mod history;
mod support;

#[path = "faults/figures.rs"]
mod figures;
#[path = "faults/file.rs"]
mod file;
#[path = "faults/health.rs"]
mod health;
#[path = "faults/killed.rs"]
mod killed;
#[path = "faults/near.rs"]
mod near;
#[path = "faults/ordeal.rs"]
mod ordeal;
#[path = "faults/redis.rs"]
mod redis;
#[path = "faults/renewals.rs"]
mod renewals;
#[path = "faults/table.rs"]
mod table;
#[path = "faults/wire.rs"]
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other fault happens.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
