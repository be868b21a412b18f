//! Which node of a cluster has which slot, as a thread knows it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::watch, time::Instant};

use super::{
    cluster::{Cluster, Range},
    guide,
    node::{Node, Opener},
};
use crate::{Error, Result};

/// How things stand with a thread's knowledge of its cluster.
pub(super) enum Chart {
    /// Requests wait, within their time: this is decided in a moment.
    Drawing,
    /// The ranges of slots in their order, as the cluster said at this moment, or might have said
    /// if anybody had answered.
    Drawn(Vec<(Range, Arc<Node>)>, Instant),
    /// Nobody can be asked, for this reason. Requests fail at once; the guide goes on asking.
    Nobody(Arc<str>),
}

/// A thread's end of a cluster.
pub(super) struct Charted {
    chart: watch::Receiver<Chart>,
    nodes: Arc<Nodes>,
    /// Why the chart may be old: an address that a slot has moved to, or a node is down. A watch:
    /// many doubts make one new chart.
    doubt: watch::Sender<Option<String>>,
}

impl Charted {
    pub(super) fn open(cluster: Arc<Cluster>, opener: Opener) -> Self {
        let chart = watch::Sender::new(Chart::Drawing);
        let doubt = watch::Sender::new(None);
        let nodes = Nodes { cluster, opener, open: Mutex::default() };
        let charted = Self { chart: chart.subscribe(), nodes: Arc::new(nodes), doubt };
        let doubt = charted.doubt.subscribe();
        charted.nodes.opener.spawn(guide::guide(charted.nodes.clone(), chart, doubt));
        charted
    }

    /// Whether somebody keeps the chart.
    pub(super) fn is_guided(&self) -> bool {
        !self.doubt.is_closed()
    }

    /// Returns the node that has a slot; `None` while the first chart is being drawn.
    pub(super) fn settled_node(&self, slot: u16) -> Option<Result<Arc<Node>>> {
        find(&self.chart.borrow(), slot)
    }

    /// The same once it is settled.
    pub(super) async fn node(&self, slot: u16) -> Result<Arc<Node>> {
        let mut chart = self.chart.clone();
        let chart = chart.wait_for(|chart| !matches!(chart, Chart::Drawing)).await;
        chart.map_or_else(|_| Err(closed()), |chart| find(&chart, slot).unwrap_or(Err(closed())))
    }

    /// Whether another node than the one that is down since `since` has the slot now. Waits for a
    /// chart that is newer than that.
    pub(super) async fn has_moved(&self, slot: u16, from: &Node, since: Instant) -> bool {
        let mut chart = self.chart.clone();
        let newer = |chart: &Chart| !matches!(chart, Chart::Drawn(_, drawn) if *drawn <= since);
        let chart = chart.wait_for(newer).await;
        let node = chart.ok().and_then(|chart| find(&chart, slot)?.ok());
        node.is_some_and(|node| !std::ptr::eq(&*node, from))
    }

    /// Returns the node at an address that another node has named.
    pub(super) fn at(&self, address: &str) -> Option<Arc<Node>> {
        self.nodes.at(address)
    }

    /// Has the chart drawn again, because a slot has moved to an address or a node is down.
    pub(super) fn doubt(&self, moved_to: Option<String>) {
        self.doubt.send_replace(moved_to);
    }
}

fn find(chart: &Chart, slot: u16) -> Option<Result<Arc<Node>>> {
    match chart {
        Chart::Drawing => None,
        Chart::Drawn(ranges, _) => {
            let place = ranges.partition_point(|(range, _)| range.last < slot);
            // Of a slot that nobody has, any node says so; or knows better.
            let row = ranges.get(place).or(ranges.first());
            Some(row.map_or_else(|| Err(closed()), |(_, node)| Ok(node.clone())))
        }
        Chart::Nobody(reason) => Some(Err(Error::storage("redis", reason.as_ref()))),
    }
}

fn closed() -> Error {
    Error::storage("redis", "closed")
}

/// The nodes that a thread has lines to.
pub(super) struct Nodes {
    pub(super) cluster: Arc<Cluster>,
    pub(super) opener: Opener,
    // A std mutex: the critical section never awaits and is a few map operations.
    open: Mutex<HashMap<String, Arc<Node>>>,
}

impl Nodes {
    /// The node at an address, opening a line if there is none. `None` if that is no address.
    pub(super) fn at(&self, address: &str) -> Option<Arc<Node>> {
        let mut open = self.lock();
        if let Some(node) = open.get(address) {
            return Some(node.clone());
        }
        let node = Arc::new(self.opener.node(self.cluster.node(address)?));
        open.insert(address.to_owned(), node.clone());
        Some(node)
    }

    /// All nodes that there are lines to.
    pub(super) fn all(&self) -> Vec<Arc<Node>> {
        self.lock().values().cloned().collect()
    }

    /// Closes the lines to all other nodes.
    pub(super) fn keep_only(&self, nodes: &[(Range, Arc<Node>)]) {
        self.lock().retain(|_, open| nodes.iter().any(|(_, node)| Arc::ptr_eq(open, node)));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Node>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
