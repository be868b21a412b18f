//! Cancelling work on a blocking thread.

use std::{
    io,
    sync::{Arc, Weak},
};

/// Tells a blocking thread whether its operation has been abandoned.
///
/// A blocking thread cannot be stopped from outside, so it checks its token: while it waits for a
/// lock, and right before it changes a file.
pub(super) struct CancellationToken(Option<Weak<()>>);

/// Cancels its token when dropped.
pub(super) struct DropGuard {
    _alive: Arc<()>,
}

impl CancellationToken {
    /// Creates a token and the guard that cancels it.
    pub(super) fn new() -> (Self, DropGuard) {
        let alive = Arc::new(());
        (Self(Some(Arc::downgrade(&alive))), DropGuard { _alive: alive })
    }

    /// Creates a token that is never cancelled.
    pub(super) fn never() -> Self {
        Self(None)
    }

    /// Fails if the operation was cancelled. Its caller is gone, so the error is never shown.
    pub(super) fn check(&self) -> io::Result<()> {
        match &self.0 {
            Some(alive) if alive.strong_count() == 0 => Err(io::Error::other("cancelled")),
            _ => Ok(()),
        }
    }
}
