//! The task that keeps a thread's slot map current: adopts what another thread has learned, or asks
//! the nodes in turn with the other threads.

use std::sync::Arc;

use deadpool_redis::redis::{RedisResult, Value, cmd};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{pending, select_all},
    stream::FuturesUnordered,
};
use tokio::{select, sync::watch, time::Instant};

use super::{
    super::{connection::ConnectionRole, failure, patience},
    cluster::{Cluster, KnownSlots},
    node::Node,
    nodes::Nodes,
    slot_map::SlotMap,
    slot_range::{self, SlotRange},
};
use crate::{Error, Result};

/// Refreshes the slot map until its thread, runtime or handle is gone.
pub(super) async fn run(
    cluster: Arc<Cluster>,
    nodes: Arc<Nodes>,
    slots: watch::Sender<SlotMap>,
    requests: watch::Receiver<Option<String>>,
) {
    Refresher { known: cluster.slots(), cluster, nodes, slots, requests }.run().await;
}

struct Refresher {
    cluster: Arc<Cluster>,
    known: watch::Receiver<KnownSlots>,
    nodes: Arc<Nodes>,
    slots: watch::Sender<SlotMap>,
    requests: watch::Receiver<Option<String>>,
}

impl Refresher {
    async fn run(mut self) {
        // At first any answer will do, so that the cluster is asked once for all threads.
        let mut newer_than = None;
        loop {
            let moved_to = self.requests.borrow_and_update().clone();
            self.refresh(newer_than, moved_to).await;
            // Until the map may be outdated.
            loop {
                select! {
                    changed = self.requests.changed() => match changed {
                        Ok(()) => break,
                        Err(_) => return,
                    },
                    () = until_node_down(&self.slots) => break,
                    _ = self.known.changed() => self.adopt(),
                }
            }
            newer_than = Some(Instant::now());
        }
    }

    /// Adopts an answer to a question that was asked after `newer_than`.
    async fn refresh(&mut self, newer_than: Option<Instant>, moved_to: Option<String>) {
        loop {
            let is_new = self.known.borrow_and_update().asked > newer_than;
            if is_new {
                return self.adopt();
            }
            select! {
                () = self.cluster.refreshes.turn() => {
                    let asked = Instant::now();
                    let answer = self.ask(moved_to.as_deref()).await;
                    self.cluster.publish(answer, asked);
                }
                _ = self.known.changed() => {}
            }
        }
    }

    /// Asks for the ranges of slots: first the node that a slot has moved to, because its answer
    /// is certainly new, then all known nodes, then the seeds.
    async fn ask(&self, moved_to: Option<&str>) -> Result<Vec<SlotRange>, String> {
        let newest = moved_to.and_then(|address| self.nodes.at(address));
        if let Ok(ranges) = self.first_answer(newest.into_iter().collect()).await {
            return Ok(ranges);
        }
        if let Ok(ranges) = self.first_answer(self.nodes.all()).await {
            return Ok(ranges);
        }
        self.first_answer(self.nodes.seeds()).await
    }

    /// Asks all nodes at once and returns the first good answer.
    async fn first_answer(&self, nodes: Vec<Arc<Node>>) -> Result<Vec<SlotRange>, String> {
        let mut failure = "no node".to_owned();
        let mut answers: FuturesUnordered<_> =
            nodes.iter().map(|node| self.ask_node(node)).collect();
        while let Some(answer) = answers.next().await {
            match answer {
                Ok(ranges) => return Ok(ranges),
                Err(reason) => failure = reason,
            }
        }
        Err(failure)
    }

    async fn ask_node(&self, node: &Node) -> Result<Vec<SlotRange>, String> {
        let exchange = async {
            let connection = node.connection(ConnectionRole::Main).wait(0).await;
            let mut connection = connection.map_err(|error| reason(&error))?;
            let mut question = cmd("CLUSTER");
            question.arg("SLOTS");
            let answer: RedisResult<Value> = question.query_async(&mut connection).await;
            let answer = answer.map_err(|error| failure::reason(&error))?;
            let ranges = slot_range::parse(&answer, &node.address());
            // A node that was removed from its cluster knows no slots.
            ranges.filter(|ranges| !ranges.is_empty()).ok_or_else(|| "no slots".to_owned())
        };
        let deadline = Instant::now() + self.cluster.limits().connect_timeout;
        let answer = patience::until(deadline, exchange).await;
        answer.unwrap_or_else(|_| Err("timed out".to_owned()))
    }

    fn adopt(&self) {
        let known = self.known.borrow().clone();
        let Some(asked) = known.asked else { return };
        if known.ranges.is_empty() {
            let reason = format!("cluster {}", known.failure);
            self.slots.send_replace(SlotMap::Unavailable(reason.into()));
            return;
        }
        let with_node = |range: &SlotRange| Some((range.clone(), self.nodes.at(&range.address)?));
        let ranges: Vec<_> = known.ranges.iter().filter_map(with_node).collect();
        self.nodes.keep_only(ranges.iter().map(|(_, node)| node));
        self.slots.send_replace(SlotMap::Loaded(ranges, asked));
    }
}

/// Releases the nodes: the threads' ends stay in thread-locals, where they would keep them open.
impl Drop for Refresher {
    fn drop(&mut self) {
        self.nodes.keep_only([].iter());
        self.slots.send_replace(SlotMap::Unavailable("closed".into()));
    }
}

/// Returns when a node of the slot map is down, or at once if there is no slot map.
async fn until_node_down(slots: &watch::Sender<SlotMap>) {
    let nodes: Vec<_> = match &*slots.borrow() {
        SlotMap::Loaded(ranges, _) => ranges.iter().map(|(_, node)| node.clone()).collect(),
        _ => return,
    };
    if nodes.is_empty() {
        return pending().await;
    }
    let down = |node| Node::connection(node, ConnectionRole::Main).until_down().boxed();
    select_all(nodes.iter().map(|node| down(&**node))).await;
}

fn reason(error: &Error) -> String {
    match error {
        Error::Storage(error) => error.reason().to_owned(),
        _ => error.to_string(),
    }
}
