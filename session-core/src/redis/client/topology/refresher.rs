//! The task that keeps a thread's slot map current: asks the nodes, and asks again when a slot has
//! moved or a node is down.

use std::{sync::Arc, time::Duration};

use deadpool_redis::redis::{RedisResult, Value, cmd};
use futures_util::{
    FutureExt as _, StreamExt as _,
    future::{pending, select_all},
    stream::FuturesUnordered,
};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout},
};

use super::{
    super::failure,
    node::{ConnectionRole, Node},
    nodes::Nodes,
    slot_map::SlotMap,
    slot_range::{self, SlotRange},
};
use crate::{Error, Result};

/// How soon a node has to answer, connecting included.
const ANSWER: Duration = Duration::from_millis(750);
/// The shortest time between two refreshes.
const BETWEEN_REFRESHES: Duration = Duration::from_millis(100);

/// Refreshes the slot map until its thread, runtime or handle is gone.
pub(super) async fn run(
    nodes: Arc<Nodes>,
    slots: watch::Sender<SlotMap>,
    mut requests: watch::Receiver<Option<String>>,
) {
    let refresher = Refresher { nodes, slots };
    loop {
        let asked = Instant::now();
        let moved_to = requests.borrow_and_update().clone();
        match refresher.ask(moved_to).await {
            Ok(ranges) => refresher.replace(ranges, asked),
            Err(reason) => refresher.keep_old(&reason, asked),
        }
        tokio::select! {
            changed = requests.changed() => if changed.is_err() { return },
            () = refresher.until_node_down() => {}
        }
        // Collects further requests into this refresh.
        sleep_until(asked + BETWEEN_REFRESHES).await;
    }
}

struct Refresher {
    nodes: Arc<Nodes>,
    slots: watch::Sender<SlotMap>,
}

impl Refresher {
    /// Asks for the ranges of slots: first the node that a slot has moved to, because its answer
    /// is certainly new, then all known nodes, then the seeds.
    async fn ask(&self, moved_to: Option<String>) -> Result<Vec<SlotRange>, String> {
        let newest = moved_to.and_then(|address| self.nodes.at(&address));
        if let Ok(ranges) = first_answer(newest.into_iter().collect()).await {
            return Ok(ranges);
        }
        if let Ok(ranges) = first_answer(self.nodes.all()).await {
            return Ok(ranges);
        }
        first_answer(self.nodes.seeds()).await
    }

    fn replace(&self, ranges: Vec<SlotRange>, asked: Instant) {
        let with_node = |range: SlotRange| Some((self.nodes.at(&range.address)?, range));
        let ranges: Vec<_> =
            ranges.into_iter().filter_map(with_node).map(|(node, range)| (range, node)).collect();
        self.nodes.keep_only(ranges.iter().map(|(_, node)| node));
        self.slots.send_replace(SlotMap::Loaded(ranges, asked));
    }

    /// Keeps an old slot map, which is better than none: nodes that have lost a slot redirect.
    fn keep_old(&self, reason: &str, asked: Instant) {
        self.slots.send_modify(|slots| match slots {
            SlotMap::Loaded(_, at) => *at = asked,
            _ => *slots = SlotMap::Unavailable(format!("cluster not reachable: {reason}").into()),
        });
    }

    /// Returns when a node of the slot map is down, or at once if there is no slot map.
    async fn until_node_down(&self) {
        let nodes: Vec<_> = match &*self.slots.borrow() {
            SlotMap::Loaded(ranges, _) => ranges.iter().map(|(_, node)| node.clone()).collect(),
            _ => return,
        };
        if nodes.is_empty() {
            return pending().await;
        }
        let down = |node| Node::connection(node, ConnectionRole::Main).until_down().boxed();
        select_all(nodes.iter().map(|node| down(&**node))).await;
    }
}

/// Releases the nodes: the threads' ends stay in thread-locals, where they would keep them open.
impl Drop for Refresher {
    fn drop(&mut self) {
        self.nodes.keep_only([].iter());
        self.slots.send_replace(SlotMap::Unavailable("closed".into()));
    }
}

/// Asks all nodes at once and returns the first good answer.
async fn first_answer(nodes: Vec<Arc<Node>>) -> Result<Vec<SlotRange>, String> {
    let mut failure = "no node".to_owned();
    let mut answers: FuturesUnordered<_> = nodes.iter().map(|node| ask(node)).collect();
    while let Some(answer) = answers.next().await {
        match answer {
            Ok(ranges) => return Ok(ranges),
            Err(reason) => failure = reason,
        }
    }
    Err(failure)
}

async fn ask(node: &Node) -> Result<Vec<SlotRange>, String> {
    let exchange = async {
        let connection = node.connection(ConnectionRole::Main).wait(0).await;
        let (mut connection, _) = connection.map_err(|error| reason(&error))?;
        let mut question = cmd("CLUSTER");
        question.arg("SLOTS");
        let answer: RedisResult<Value> = question.query_async(&mut connection).await;
        let answer = answer.map_err(|error| failure::reason(&error))?;
        let ranges = slot_range::parse(&answer, &node.address());
        // A node that was removed from its cluster knows no slots.
        ranges.filter(|ranges| !ranges.is_empty()).ok_or_else(|| "no slots".to_owned())
    };
    timeout(ANSWER, exchange).await.unwrap_or_else(|_| Err("timed out".to_owned()))
}

fn reason(error: &Error) -> String {
    match error {
        Error::Storage(error) => error.reason().to_owned(),
        _ => error.to_string(),
    }
}
