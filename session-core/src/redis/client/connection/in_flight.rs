//! A command that has been sent and not yet answered.

use deadpool_redis::redis::RedisResult;

use super::multiplexed::{ConnectionWatch, is_loss};

/// A command in flight.
///
/// If it is dropped without an answer - out of time, given up by its request, or on a broken
/// connection - the connection is checked.
pub(super) struct InFlight<'a> {
    connection: &'a ConnectionWatch,
    is_answered: bool,
}

impl<'a> InFlight<'a> {
    pub(super) fn new(connection: &'a ConnectionWatch) -> Self {
        Self { connection, is_answered: false }
    }

    pub(super) fn end<T>(mut self, answer: &RedisResult<T>) {
        self.is_answered = !is_loss(answer);
        if self.is_answered {
            self.connection.note_answer();
        }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if !self.is_answered {
            self.connection.request_check();
        }
    }
}
