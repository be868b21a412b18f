//! The result of a suite that found violations.

use std::{error, fmt};

/// The checks that a storage failed.
pub struct Failures {
    failed: Vec<Failure>,
    total: usize,
}

struct Failure {
    check: &'static str,
    reason: String,
}

impl Failures {
    /// Starts an empty list for a suite of `total` checks.
    pub(super) fn new(total: usize) -> Self {
        Self { failed: Vec::new(), total }
    }

    pub(super) fn add(&mut self, check: &'static str, reason: String) {
        self.failed.push(Failure { check, reason });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.failed.is_empty()
    }

    /// Visits the names of the failed checks.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main] async fn main() {
    /// use session_core::{MemoryStorage, conformance};
    ///
    /// if let Err(failures) = conformance::run(async || MemoryStorage::new()).await {
    ///     panic!("failed: {:?}", failures.checks().collect::<Vec<_>>());
    /// }
    /// # }
    /// ```
    pub fn checks(&self) -> impl Iterator<Item = &'static str> {
        self.failed.iter().map(|failure| failure.check)
    }
}

impl fmt::Display for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the storage fails {} of {} checks", self.failed.len(), self.total)?;
        let mut failed = self.failed.iter();
        failed.try_for_each(|failure| write!(f, "\n{}: {}", failure.check, failure.reason))
    }
}

/// Formats like [`Display`](fmt::Display), so that `unwrap` shows readable lines.
impl fmt::Debug for Failures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl error::Error for Failures {}
