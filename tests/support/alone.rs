//! Runs tests one at a time that measure time.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits until no other test of this binary holds the guard.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
