//! A command that has been sent and not yet answered.

use super::supervised::SupervisedConnection;

/// A command in flight.
///
/// If it is dropped without an answer - out of time, given up by its request, or on a broken
/// connection - the connection is checked.
pub(crate) struct InFlight<'a> {
    connection: &'a SupervisedConnection,
    epoch: u64,
    is_answered: bool,
}

impl<'a> InFlight<'a> {
    pub(crate) fn new(connection: &'a SupervisedConnection, epoch: u64) -> Self {
        Self { connection, epoch, is_answered: false }
    }

    pub(crate) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.connection.request_check(self.epoch, false);
        }
    }
}
