//! A cluster, as all threads of one handle share it.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use deadpool_redis::redis::ConnectionInfo;

use super::super::connection::{PushListener, Server, Target, connection_info_at};

pub(crate) struct Cluster {
    /// The nodes to ask first, which also say how to connect to every other node.
    seeds: Vec<ConnectionInfo>,
    connect_timeout: Duration,
    listener: Option<Arc<dyn PushListener>>,
    /// The nodes that some thread is connected to, by address.
    // A std mutex: the critical section never awaits and is one map operation.
    nodes: Mutex<HashMap<String, Weak<Target>>>,
}

impl Cluster {
    pub(crate) fn new(
        seeds: Vec<ConnectionInfo>,
        connect_timeout: Duration,
        listener: Option<Arc<dyn PushListener>>,
    ) -> Self {
        Self { seeds, connect_timeout, listener, nodes: Mutex::default() }
    }

    /// Returns the addresses that the settings name.
    pub(super) fn seeds(&self) -> impl Iterator<Item = String> {
        self.seeds.iter().map(|seed| seed.addr().to_string())
    }

    /// Returns the node at an address, the same for all threads. `None` if that is no address.
    pub(super) fn node(&self, address: &str) -> Option<Arc<Target>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(address).and_then(Weak::upgrade) {
            return Some(node);
        }
        let info = connection_info_at(address, &self.seeds[0])?;
        let server = Server::At(Box::new(info));
        let node = Arc::new(Target::new(server, self.connect_timeout, self.listener.clone()));
        nodes.retain(|_, node| node.strong_count() > 0);
        nodes.insert(address.to_owned(), Arc::downgrade(&node));
        Some(node)
    }
}

/// Shows the addresses to ask first.
impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cluster at ")?;
        for (index, seed) in self.seeds().enumerate() {
            write!(f, "{}{seed}", if index == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}
