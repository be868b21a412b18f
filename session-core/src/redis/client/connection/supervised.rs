//! One thread's connection to a server, as its requests see it.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{runtime::Handle, select, sync::watch, time::Instant};

use super::{
    multiplexed::Connection,
    supervisor,
    target::{ConnectionRole, Target},
};
use crate::{Error, Result};

/// The state of a thread's own connection.
pub(super) enum Own {
    /// Being dialled. Requests wait, within their time: this is decided in a moment.
    Dialing,
    Open(Connection),
    /// Not to be had at present. Requests use the connection of another thread.
    Missing,
}

/// A connection that a supervisor task keeps open.
pub(crate) struct SupervisedConnection {
    own: watch::Receiver<Own>,
    target: Arc<Target>,
    role: ConnectionRole,
    /// Spreads the threads without a connection over those with one.
    number: usize,
}

impl SupervisedConnection {
    /// Starts a supervisor, which dials at once and runs until the sender of `owned` is dropped.
    pub(crate) fn open(
        target: &Arc<Target>,
        role: ConnectionRole,
        runtime: &Handle,
        owned: watch::Receiver<()>,
    ) -> Self {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);

        let own = watch::Sender::new(Own::Dialing);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let supervised = Self { own: own.subscribe(), target: target.clone(), role, number };
        runtime.spawn(supervisor::supervise(target.clone(), role, own, owned));
        supervised
    }

    /// Returns whether the supervisor still runs.
    pub(crate) fn is_supervised(&self) -> bool {
        self.own.has_changed().is_ok()
    }

    /// Returns an open connection other than the `broken` one, or why there is none. `None` while
    /// one is being dialled.
    pub(crate) fn current(&self, broken: u64) -> Option<Result<Connection>> {
        let is_missing = match &*self.own.borrow() {
            Own::Open(own) if own.epoch() != broken && !own.is_lost() => {
                return Some(Ok(own.clone()));
            }
            Own::Missing => true,
            Own::Open(_) | Own::Dialing => false,
        };
        if !is_missing {
            return self.failure().map(Err);
        }
        let other = self.target.pool(self.role).any(self.number, broken);
        other.map(Ok).or_else(|| self.failure().map(Err))
    }

    /// Waits until [`current`](Self::current) has an answer, and returns it.
    pub(crate) async fn wait(&self, broken: u64) -> Result<Connection> {
        // Receivers of its own, because waiting marks values as seen.
        let (mut own, mut condition) = (self.own.clone(), self.target.condition());
        loop {
            own.mark_unchanged();
            condition.mark_unchanged();
            if let Some(current) = self.current(broken) {
                return current;
            }
            select! {
                changed = own.changed() => if changed.is_err() {
                    return Err(Error::storage("redis", "the connection's runtime has ended"));
                },
                _ = condition.changed() => {}
            }
        }
    }

    /// Returns whether the server is known to be a replica.
    pub(crate) fn is_read_only(&self) -> bool {
        self.target.is_demoted()
    }

    /// Notes that the server has refused a write as a replica.
    pub(crate) fn demote(&self) {
        self.target.demote();
    }

    /// Returns whether the server is known to lack the newer forms of commands.
    pub(crate) fn lacks_newer_forms(&self) -> bool {
        self.target.lacks_newer_forms()
    }

    /// Notes that the server lacks them.
    pub(crate) fn note_lacks_newer_forms(&self) {
        self.target.set_lacks_newer_forms(true);
    }

    /// Returns since when requests fail at once, or `None` if they do not.
    pub(crate) fn down_since(&self) -> Option<Instant> {
        self.target.down().map(|(_, since)| since)
    }

    /// Returns once requests fail at once.
    pub(crate) async fn until_down(&self) {
        self.target.until_down().await;
    }

    fn failure(&self) -> Option<Error> {
        let down = self.target.down().map(|(problem, _)| problem);
        // Connections of the other role may be open.
        let refusal = || self.target.refusal().filter(|_| self.target.pool(self.role).is_empty());
        let problem = down.or_else(refusal)?;
        Some(Error::storage("redis", problem.to_string()))
    }
}
