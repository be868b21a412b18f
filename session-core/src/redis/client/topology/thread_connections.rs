//! One thread's connections to all servers of a handle.

use std::{cell::RefCell, sync::Arc};

use tokio::{
    runtime::{self, Handle},
    sync::watch,
};

use super::{
    super::connection::ConnectionRole,
    cluster_connections::ClusterConnections,
    node::{Node, NodeOpener},
    servers::Servers,
};
use crate::Result;

pub(crate) enum ThreadConnections {
    Single(Arc<Node>),
    Cluster(ClusterConnections),
}

thread_local! {
    // A connection is driven by the runtime it was opened on, and a thread may enter several
    // runtimes, so an entry is found by handle and runtime. Rarely more than one entry.
    static OPEN: RefCell<Vec<(u64, runtime::Id, Arc<ThreadConnections>)>> =
        const { RefCell::new(Vec::new()) };
}

impl ThreadConnections {
    /// Returns this thread's connections of the client with this number, opening them on first
    /// need.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub(crate) fn of_this_thread(
        client: u64,
        servers: &Servers,
        owned: &watch::Sender<()>,
    ) -> Arc<Self> {
        let runtime = Handle::current();
        let id = runtime.id();
        OPEN.with_borrow_mut(|open| {
            let known = open.iter().find(|entry| (entry.0, entry.1) == (client, id));
            if let Some((.., connections)) = known.filter(|entry| entry.2.are_supervised()) {
                return connections.clone();
            }
            // Drops entries of runtimes that have ended and handles no longer used.
            open.retain(|(.., connections)| connections.are_supervised());
            let opener = NodeOpener::new(runtime, owned.subscribe());
            let connections = Arc::new(Self::open(servers, opener));
            open.push((client, id, connections.clone()));
            connections
        })
    }

    fn open(servers: &Servers, opener: NodeOpener) -> Self {
        match servers {
            Servers::Single(target) => Self::Single(Arc::new(opener.node(target.clone()))),
            Servers::Cluster(cluster) => {
                Self::Cluster(ClusterConnections::open(cluster.clone(), opener))
            }
        }
    }

    fn are_supervised(&self) -> bool {
        match self {
            Self::Single(node) => node.connection(ConnectionRole::Main).is_supervised(),
            Self::Cluster(connections) => connections.is_refreshed(),
        }
    }

    /// Returns the connections if they are to a cluster.
    pub(crate) fn cluster(&self) -> Option<&ClusterConnections> {
        match self {
            Self::Single(_) => None,
            Self::Cluster(connections) => Some(connections),
        }
    }

    /// Returns the node that serves a slot, or `None` while the first slot map is loading.
    pub(crate) fn known_node(&self, slot: u16) -> Option<Result<Arc<Node>>> {
        match self {
            Self::Single(node) => Some(Ok(node.clone())),
            Self::Cluster(connections) => connections.known_node(slot),
        }
    }

    /// Waits until the slot map is loaded and returns all masters, each with its first slot.
    pub(crate) async fn masters(&self) -> Result<Vec<(u16, Arc<Node>)>> {
        match self {
            Self::Single(node) => Ok(vec![(0, node.clone())]),
            Self::Cluster(connections) => connections.masters().await,
        }
    }

    /// Waits until the slot map is loaded and returns the node that serves a slot.
    pub(crate) async fn node(&self, slot: u16) -> Result<Arc<Node>> {
        match self {
            Self::Single(node) => Ok(node.clone()),
            Self::Cluster(connections) => connections.node(slot).await,
        }
    }
}
