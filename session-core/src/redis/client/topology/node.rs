//! One thread's connections to one server.

use std::sync::{Arc, OnceLock};

use tokio::{runtime::Handle, sync::watch};

use super::super::connection::{ConnectionRole, SupervisedConnection, Target};

pub(crate) struct Node {
    target: Arc<Target>,
    opener: NodeOpener,
    main: SupervisedConnection,
    // Opened on first need.
    confirmed_writes: OnceLock<SupervisedConnection>,
}

impl Node {
    pub(crate) fn connection(&self, role: ConnectionRole) -> &SupervisedConnection {
        let open = || self.opener.connection(&self.target, role);
        match role {
            ConnectionRole::Main => &self.main,
            ConnectionRole::ConfirmedWrites => self.confirmed_writes.get_or_init(open),
        }
    }

    /// Returns the address, for a node of a cluster.
    pub(crate) fn address(&self) -> String {
        self.target.to_string()
    }
}

/// Opens the connections of one handle on one runtime.
#[derive(Clone)]
pub(super) struct NodeOpener {
    runtime: Handle,
    owned: watch::Receiver<()>,
}

impl NodeOpener {
    /// Everything that is opened closes when the sender of `owned` is dropped.
    pub(super) fn new(runtime: Handle, owned: watch::Receiver<()>) -> Self {
        Self { runtime, owned }
    }

    pub(super) fn node(&self, target: Arc<Target>) -> Node {
        let main = self.connection(&target, ConnectionRole::Main);
        Node { target, opener: self.clone(), main, confirmed_writes: OnceLock::new() }
    }

    fn connection(&self, target: &Arc<Target>, role: ConnectionRole) -> SupervisedConnection {
        SupervisedConnection::open(target, role, &self.runtime, self.owned.clone())
    }

    /// Runs a task until it ends, or the sender of `owned` is dropped.
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut owned = self.owned.clone();
        self.runtime.spawn(async move {
            tokio::select! {
                () = task => {}
                // Nothing is ever sent: this returns when the sender is dropped.
                _ = owned.changed() => {}
            }
        });
    }
}
