//! One thread's connections to a cluster.

use std::sync::Arc;

use tokio::{sync::watch, time::Instant};

use super::{
    cluster::Cluster,
    node::{Node, NodeOpener},
    nodes::Nodes,
    refresher,
    slot_map::{Masters, SlotMap, closed},
};
use crate::Result;

pub(crate) struct ClusterConnections {
    slots: watch::Receiver<SlotMap>,
    nodes: Arc<Nodes>,
    /// Why the slot map may be outdated: an address that a slot has moved to, or (`None`) a node
    /// is down. A watch, not a queue: many requests are one refresh.
    refresh: watch::Sender<Option<String>>,
}

impl ClusterConnections {
    pub(super) fn open(cluster: Arc<Cluster>, opener: NodeOpener) -> Self {
        let slots = watch::Sender::new(SlotMap::Loading);
        let refresh = watch::Sender::new(None);
        let nodes = Arc::new(Nodes::new(cluster.clone(), opener.clone()));
        let connections = Self { slots: slots.subscribe(), nodes: nodes.clone(), refresh };
        opener.spawn(refresher::run(cluster, nodes, slots, connections.refresh.subscribe()));
        connections
    }

    /// Returns whether the refresher still runs.
    pub(super) fn is_refreshed(&self) -> bool {
        !self.refresh.is_closed()
    }

    /// Returns the node that serves a slot, or `None` while the first slot map is loading.
    pub(super) fn known_node(&self, slot: u16) -> Option<Result<Arc<Node>>> {
        self.slots.borrow().node(slot)
    }

    /// Waits until the slot map is loaded and returns the node that serves a slot.
    pub(super) async fn node(&self, slot: u16) -> Result<Arc<Node>> {
        self.loaded(|slots| slots.node(slot)).await
    }

    /// Waits until the slot map is loaded and returns all masters, each with its first slot.
    pub(super) async fn masters(&self) -> Result<Masters> {
        self.loaded(SlotMap::masters).await
    }

    async fn loaded<T>(&self, answer: impl FnOnce(&SlotMap) -> Option<Result<T>>) -> Result<T> {
        let mut slots = self.slots.clone();
        let slots = slots.wait_for(|slots| !matches!(slots, SlotMap::Loading)).await;
        slots.map_or_else(|_| Err(closed()), |slots| answer(&slots).unwrap_or(Err(closed())))
    }

    /// Returns whether a slot has moved away from the node `from`, which is down since `since`.
    /// Waits for a slot map newer than that.
    pub(crate) async fn has_moved(&self, slot: u16, from: &Node, since: Instant) -> bool {
        let mut slots = self.slots.clone();
        let is_newer =
            |slots: &SlotMap| !matches!(slots, SlotMap::Loaded(_, asked) if *asked <= since);
        let slots = slots.wait_for(is_newer).await;
        let node = slots.ok().and_then(|slots| slots.node(slot)?.ok());
        node.is_some_and(|node| !std::ptr::eq(&*node, from))
    }

    /// Returns the node at an address that another node has named.
    pub(crate) fn node_at(&self, address: &str) -> Option<Arc<Node>> {
        self.nodes.at(address)
    }

    /// Asks for a new slot map, because a slot has moved to an address or a node is down.
    pub(crate) fn request_refresh(&self, moved_to: Option<String>) {
        self.refresh.send_replace(moved_to);
    }
}
