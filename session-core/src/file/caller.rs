//! Whether anybody still waits for what a blocking thread does.

use std::{
    io,
    sync::{Arc, Weak},
};

/// The one who waits for an operation, as seen from the blocking thread.
///
/// A blocking thread cannot be stopped from outside, so it asks: while it waits for a lock, and
/// right before it changes a file.
pub(super) struct Caller(Option<Weak<()>>);

impl Caller {
    /// One who gives up as soon as the other half of the pair is dropped.
    pub(super) fn new() -> (Self, Arc<()>) {
        let waiting = Arc::new(());
        (Self(Some(Arc::downgrade(&waiting))), waiting)
    }

    /// One who never gives up.
    pub(super) fn patient() -> Self {
        Self(None)
    }

    /// Fails once the operation has been given up. Nobody is left to see the error.
    pub(super) fn check(&self) -> io::Result<()> {
        match &self.0 {
            Some(waiting) if waiting.strong_count() == 0 => Err(io::Error::other("given up")),
            _ => Ok(()),
        }
    }
}
