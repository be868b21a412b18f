//! The permission to change files.

use std::io;

use super::{cancellation_token::CancellationToken, directory::Directory, lock::LockGuard};

/// Lets a writer change files while it holds their locks and its operation is not abandoned.
pub(super) struct Permit {
    token: CancellationToken,
    guard: LockGuard,
}

impl Permit {
    pub(super) fn new(token: CancellationToken, guard: LockGuard) -> Self {
        Self { token, guard }
    }

    /// Fails if the operation was abandoned, or if another writer may hold the locks meanwhile.
    pub(super) fn check(&self, directory: &Directory) -> io::Result<()> {
        self.token.check()?;
        match self.guard.is_current(directory) {
            true => Ok(()),
            // The directory was cleared, and with it the sessions.
            false => Err(io::Error::other("the lock file was removed")),
        }
    }

    /// Returns the same permission for an operation that can no longer be abandoned.
    pub(super) fn irrevocable(self) -> Self {
        Self { token: CancellationToken::never(), ..self }
    }
}
