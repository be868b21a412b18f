//! Keeps a thread's chart of its cluster: asks the nodes who has which slots, and asks again when
//! a slot is not where it should be or a node is down.

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
    chart::{Chart, Nodes},
    cluster::{self, Range},
    failure,
    node::{Lane, Node},
};
use crate::{Error, Result};

/// How soon a node has to answer, connecting included.
const ANSWER: Duration = Duration::from_millis(750);
/// At least, from one chart to the next.
const BETWEEN_CHARTS: Duration = Duration::from_millis(100);

/// Runs until the last handle is dropped, the thread has ended, or the runtime.
pub(super) async fn guide(
    nodes: Arc<Nodes>,
    chart: watch::Sender<Chart>,
    mut doubt: watch::Receiver<Option<String>>,
) {
    let guide = Guide { nodes, chart };
    loop {
        let asked = Instant::now();
        let hint = doubt.borrow_and_update().clone();
        match guide.ask_for(hint).await {
            Ok(ranges) => guide.draw(ranges, asked),
            Err(reason) => guide.give_up(&reason, asked),
        }
        tokio::select! {
            changed = doubt.changed() => if changed.is_err() { return },
            () = guide.until_in_doubt() => {}
        }
        // So that many reasons at once make one chart.
        sleep_until(asked + BETWEEN_CHARTS).await;
    }
}

struct Guide {
    nodes: Arc<Nodes>,
    chart: watch::Sender<Chart>,
}

impl Guide {
    /// Asks who has which slots: first the node that slots are said to have moved to, because it
    /// knows for certain, then all whom the chart names, then those whom the settings name.
    async fn ask_for(&self, hint: Option<String>) -> Result<Vec<Range>, String> {
        let hinted = hint.and_then(|address| self.nodes.at(&address));
        if let Ok(ranges) = first_of(hinted.into_iter().collect()).await {
            return Ok(ranges);
        }
        if let Ok(ranges) = first_of(self.nodes.all()).await {
            return Ok(ranges);
        }
        let seeds = self.nodes.cluster.seeds().filter_map(|seed| self.nodes.at(&seed));
        first_of(seeds.collect()).await
    }

    fn draw(&self, ranges: Vec<Range>, asked: Instant) {
        let located = |range: Range| Some((self.nodes.at(&range.address)?, range));
        let rows: Vec<_> =
            ranges.into_iter().filter_map(located).map(|(node, range)| (range, node)).collect();
        self.nodes.keep_only(&rows);
        self.chart.send_replace(Chart::Drawn(rows, asked));
    }

    /// An old chart is better than none: it leads to nodes that are down, or know better.
    fn give_up(&self, reason: &str, asked: Instant) {
        self.chart.send_modify(|chart| match chart {
            Chart::Drawn(_, at) => *at = asked,
            _ => *chart = Chart::Nobody(format!("cluster not reachable: {reason}").into()),
        });
    }

    /// Returns when a node of the chart is down, or there is no chart.
    async fn until_in_doubt(&self) {
        let nodes: Vec<_> = match &*self.chart.borrow() {
            Chart::Drawn(rows, _) => rows.iter().map(|(_, node)| node.clone()).collect(),
            _ => return,
        };
        if nodes.is_empty() {
            return pending().await;
        }
        select_all(nodes.iter().map(|node| node.line(Lane::Main).until_down().boxed())).await;
    }
}

/// The threads' ends live on in thread-locals; what they hold must not.
impl Drop for Guide {
    fn drop(&mut self) {
        self.nodes.keep_only(&[]);
        self.chart.send_replace(Chart::Nobody("closed".into()));
    }
}

/// Asks nodes at once and returns the first good answer.
async fn first_of(nodes: Vec<Arc<Node>>) -> Result<Vec<Range>, String> {
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

async fn ask(node: &Node) -> Result<Vec<Range>, String> {
    let exchange = async {
        let (mut connection, _) =
            node.line(Lane::Main).connection(0).await.map_err(|error| reason(&error))?;
        let mut question = cmd("CLUSTER");
        question.arg("SLOTS");
        let answer: RedisResult<Value> = question.query_async(&mut connection).await;
        let ranges =
            cluster::ranges(&answer.map_err(|error| failure::reason(&error))?, &node.address());
        // A node that has been taken out of its cluster knows of no slots.
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
