//! The cluster nodes that a thread has connections to.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{
    cluster::Cluster,
    node::{Node, NodeOpener},
};

pub(super) struct Nodes {
    cluster: Arc<Cluster>,
    opener: NodeOpener,
    // A std mutex: the critical section never awaits and is a few map operations.
    open: Mutex<HashMap<String, Arc<Node>>>,
}

impl Nodes {
    pub(super) fn new(cluster: Arc<Cluster>, opener: NodeOpener) -> Self {
        Self { cluster, opener, open: Mutex::default() }
    }

    /// Returns the node at an address, connecting to it if it is new. `None` if that is no address.
    pub(super) fn at(&self, address: &str) -> Option<Arc<Node>> {
        let mut open = self.lock();
        if let Some(node) = open.get(address) {
            return Some(node.clone());
        }
        let node = Arc::new(self.opener.node(self.cluster.node(address)?));
        open.insert(address.to_owned(), node.clone());
        Some(node)
    }

    /// Returns all nodes that the thread is connected to.
    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        self.lock().values().cloned().collect()
    }

    /// Returns the nodes that the settings name.
    pub(super) fn seeds(&self) -> Vec<Arc<Node>> {
        self.cluster.seeds().filter_map(|seed| self.at(&seed)).collect()
    }

    /// Closes the connections to all other nodes.
    pub(super) fn keep_only<'a>(&self, nodes: impl Iterator<Item = &'a Arc<Node>> + Clone) {
        self.lock().retain(|_, open| nodes.clone().any(|node| Arc::ptr_eq(open, node)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Node>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
