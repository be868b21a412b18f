//! A server, as all connections of one handle to it share it.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};

use deadpool_redis::redis::PushInfo;
use tokio::sync::watch;

use super::server::Server;

/// No attempt to connect lasts longer, so that a server that is back is noticed within a second.
const LONGEST_DIAL: Duration = Duration::from_millis(500);

/// Receives what a server announces over connections that track their reads.
///
/// With a listener, each connection sends `CLIENT TRACKING ON` when it opens.
pub(crate) trait PushListener: Send + Sync {
    /// Takes in a push message. Must not block.
    fn on_push(&self, push: &PushInfo);

    /// Discards everything learned so far: a connection was replaced, so announcements may be
    /// missing.
    fn on_reconnect(&self);
}

/// A server to connect to, and what its connections have in common.
pub(crate) struct Target {
    pub(super) server: Server,
    pub(super) dial_timeout: Duration,
    pub(super) listener: Option<Arc<dyn PushListener>>,
    /// The number of connections that are down or take no writes, so that one log line tells of
    /// all of them.
    pub(super) outages: AtomicUsize,
    /// Notified when one connection is found to be down. The others are then checked as well, so
    /// that no request has to find out again.
    pub(super) alarm: watch::Sender<()>,
}

impl Target {
    pub(crate) fn new(
        server: Server,
        connect_timeout: Duration,
        listener: Option<Arc<dyn PushListener>>,
    ) -> Self {
        Self {
            server,
            dial_timeout: connect_timeout.min(LONGEST_DIAL),
            listener,
            outages: AtomicUsize::new(0),
            alarm: watch::Sender::new(()),
        }
    }
}

/// Shows where the server is, without a password.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.server.fmt(f)
    }
}
