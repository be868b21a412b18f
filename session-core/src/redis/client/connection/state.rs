//! What a supervisor and the requests tell each other.

use std::sync::Arc;

use tokio::time::Instant;

use super::multiplexed::Connection;

/// The state of a supervised connection.
pub(super) enum ConnectionState {
    /// Being dialled. Requests wait, within their time: this is decided in a moment.
    Dialing,
    /// Requests go out. The epoch is the connection's number, higher than those of the connections
    /// it replaces.
    Open(Connection, u64),
    /// The server is known to be a replica: reads go out, writes fail at once, and the supervisor
    /// keeps dialling.
    ReadOnly(Connection, u64),
    /// Requests fail at once, for this reason and since this moment; the supervisor keeps dialling.
    Down(Arc<str>, Instant),
}

impl ConnectionState {
    /// Returns the connection that requests use, if there is one, and its epoch.
    pub(super) fn connection(&self) -> Option<(&Connection, u64)> {
        match self {
            Self::Open(connection, epoch) | Self::ReadOnly(connection, epoch) => {
                Some((connection, *epoch))
            }
            Self::Dialing | Self::Down(..) => None,
        }
    }

    /// Makes requests wait for the next connection if the one of this epoch was in use.
    pub(super) fn lose(&mut self, epoch: u64) -> bool {
        let is_lost = self.connection().is_some_and(|(_, open)| open == epoch);
        if is_lost {
            *self = Self::Dialing;
        }
        is_lost
    }
}

/// A request to check the connection of one epoch.
#[derive(Clone, Copy, Default)]
pub(super) struct CheckRequest {
    pub(super) epoch: u64,
    /// Reconnect instead of checking: the server works but is no longer the master.
    pub(super) redial: bool,
}
