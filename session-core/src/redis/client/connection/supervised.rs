//! One thread's connection to a server, as its requests see it.

use std::sync::Arc;

use tokio::{runtime::Handle, sync::watch, time::Instant};

use super::{
    multiplexed::Connection,
    state::{CheckRequest, ConnectionState},
    supervisor,
    target::Target,
};
use crate::{Error, Result};

/// A connection that a supervisor task keeps open.
pub(crate) struct SupervisedConnection {
    state: watch::Receiver<ConnectionState>,
    /// A watch, not a queue: many requests to check one connection are one check.
    checks: watch::Sender<CheckRequest>,
}

impl SupervisedConnection {
    /// Starts a supervisor, which dials at once and runs until the sender of `owned` is dropped.
    pub(crate) fn open(target: &Arc<Target>, runtime: &Handle, owned: watch::Receiver<()>) -> Self {
        let state = watch::Sender::new(ConnectionState::Dialing);
        let checks = watch::Sender::new(CheckRequest::default());
        let supervised = Self { state: state.subscribe(), checks: checks.clone() };
        let checks = checks.subscribe();
        runtime.spawn(supervisor::supervise(target.clone(), state, checks, owned));
        supervised
    }

    /// Returns whether the supervisor still runs.
    pub(crate) fn is_supervised(&self) -> bool {
        !self.checks.is_closed()
    }

    /// Returns the connection and its epoch, or why it is down. `None` while it is being dialled,
    /// or if its epoch is `broken`.
    pub(crate) fn current(&self, broken: u64) -> Option<Result<(Connection, u64)>> {
        current(&self.state.borrow(), broken)
    }

    /// Waits until [`current`](Self::current) has an answer, and returns it.
    pub(crate) async fn wait(&self, broken: u64) -> Result<(Connection, u64)> {
        // A receiver of its own, because waiting marks values as seen.
        let mut state = self.state.clone();
        let state = state.wait_for(|state| current(state, broken).is_some()).await;
        match state {
            Ok(state) => current(&state, broken).expect("just waited for"),
            Err(_) => Err(Error::storage("redis", "the connection's runtime has ended")),
        }
    }

    /// Returns whether the server is known to be a replica.
    pub(crate) fn is_read_only(&self) -> bool {
        matches!(*self.state.borrow(), ConnectionState::ReadOnly(..))
    }

    /// Returns since when the connection is down, or `None` if it is not.
    pub(crate) fn down_since(&self) -> Option<Instant> {
        match *self.state.borrow() {
            ConnectionState::Down(_, since) => Some(since),
            _ => None,
        }
    }

    /// Returns once the connection is down, or its supervisor has ended.
    pub(crate) async fn until_down(&self) {
        let mut state = self.state.clone();
        let _ = state.wait_for(|state| matches!(state, ConnectionState::Down(..))).await;
    }

    /// Asks the supervisor to check the connection of this epoch, or with `redial` to replace it.
    pub(crate) fn request_check(&self, epoch: u64, redial: bool) {
        self.checks.send_if_modified(|check| {
            if epoch > check.epoch {
                *check = CheckRequest { epoch, redial };
            } else if epoch == check.epoch {
                check.redial |= redial;
            }
            epoch == check.epoch
        });
    }
}

fn current(state: &ConnectionState, broken: u64) -> Option<Result<(Connection, u64)>> {
    if let ConnectionState::Down(reason, _) = state {
        return Some(Err(Error::storage("redis", reason.as_ref())));
    }
    let usable = state.connection().filter(|(_, epoch)| *epoch != broken);
    usable.map(|(connection, epoch)| Ok((connection.clone(), epoch)))
}
