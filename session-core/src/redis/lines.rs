//! A thread's lines to all servers of a handle, and which of them has a key.

use std::{cell::RefCell, sync::Arc};

use tokio::{
    runtime::{self, Handle},
    time::Instant,
};

use super::{
    Redis, Topology,
    chart::Charted,
    node::{Lane, Node, Opener},
};
use crate::Result;

pub(super) enum Lines {
    One(Arc<Node>),
    Cluster(Charted),
}

thread_local! {
    // A connection is driven by the runtime it was opened on, and a thread may enter several
    // runtimes, so both the handle and the runtime name it. Rarely more than one entry.
    static LINES: RefCell<Vec<(u64, runtime::Id, Arc<Lines>)>> = const { RefCell::new(Vec::new()) };
}

impl Lines {
    /// Returns this thread's lines to `redis`, opening them if there are none.
    ///
    /// # Panics
    ///
    /// Outside a Tokio runtime.
    pub(super) fn of_this_thread(redis: &Redis) -> Arc<Self> {
        let runtime = Handle::current();
        let (number, id) = (redis.0.number, runtime.id());
        LINES.with_borrow_mut(|all| {
            let known = all.iter().find(|lines| (lines.0, lines.1) == (number, id));
            if let Some((.., lines)) = known.filter(|(.., lines)| lines.are_supervised()) {
                return lines.clone();
            }
            // Of a runtime that has ended, or a handle that is no longer used.
            all.retain(|(.., lines)| lines.are_supervised());
            let lines = Arc::new(Self::open(redis, runtime));
            all.push((number, id, lines.clone()));
            lines
        })
    }

    fn open(redis: &Redis, runtime: Handle) -> Self {
        let opener = Opener::new(runtime, redis.0.owned.subscribe());
        match &redis.0.topology {
            Topology::One(target) => Self::One(Arc::new(opener.node(target.clone()))),
            Topology::Cluster(cluster) => Self::Cluster(Charted::open(cluster.clone(), opener)),
        }
    }

    fn are_supervised(&self) -> bool {
        match self {
            Self::One(node) => node.line(Lane::Main).is_supervised(),
            Self::Cluster(charted) => charted.is_guided(),
        }
    }

    /// Returns the node that has a slot; `None` while the first chart of the cluster is being drawn.
    pub(super) fn settled_node(&self, slot: u16) -> Option<Result<Arc<Node>>> {
        match self {
            Self::One(node) => Some(Ok(node.clone())),
            Self::Cluster(charted) => charted.settled_node(slot),
        }
    }

    /// The same once it is settled.
    pub(super) async fn node(&self, slot: u16) -> Result<Arc<Node>> {
        match self {
            Self::One(node) => Ok(node.clone()),
            Self::Cluster(charted) => charted.node(slot).await,
        }
    }

    /// Whether another node than the one that is down since `since` has the slot now.
    pub(super) async fn has_moved(&self, slot: u16, from: &Node, since: Instant) -> bool {
        match self {
            Self::One(_) => false,
            Self::Cluster(charted) => charted.has_moved(slot, from, since).await,
        }
    }

    /// Returns the node at an address that another node has named; `None` outside a cluster.
    pub(super) fn at(&self, address: &str) -> Option<Arc<Node>> {
        match self {
            Self::One(_) => None,
            Self::Cluster(charted) => charted.at(address),
        }
    }

    /// Takes notice of a slot that has moved to this address, or of a node that is down.
    pub(super) fn doubt(&self, moved_to: Option<String>) {
        if let Self::Cluster(charted) = self {
            charted.doubt(moved_to);
        }
    }
}
