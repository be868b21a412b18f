//! One storage operation: its deadline, its commands, what is tried again.

use std::{future::Future, sync::Arc, time::Duration};

use deadpool_redis::redis::{Cmd, RedisError, RedisResult, Value};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    Redis, cluster,
    connection::Connection,
    failure::{self, Verdict},
    key::Key,
    large::{self, is_large},
    lines::Lines,
    link::{InFlight, Line},
    near::NearCache,
    node::{Lane, Node},
    script::Call,
    supervisor::DEMOTED,
};
use crate::{Error, Result, SessionId};

/// Before a command that the server has refused to execute is sent again.
const BEFORE_RETRY: Duration = Duration::from_millis(50);
/// How often in a row a command is sent on at once from node to node. Nodes that have not heard
/// of the latest election may send it in circles.
const REDIRECTS: u32 = 3;

/// An operation on one session, which ends by its deadline however many commands it takes.
pub(super) struct Operation<'a> {
    redis: &'a Redis,
    id: &'a SessionId,
    lines: Arc<Lines>,
    deadline: Instant,
}

/// Whether a command may be sent again although it may have been executed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It reads, or doing it twice is doing it once.
    Repeatable,
    /// Only after an answer that proves it was not executed.
    Once,
}

enum Failure {
    NoScript,
    Other(Error),
}

impl<'a> Operation<'a> {
    pub(super) fn begin(redis: &'a Redis, id: &'a SessionId) -> Self {
        let deadline = Instant::now() + redis.0.response_timeout;
        Self { redis, id, lines: Lines::of_this_thread(redis), deadline }
    }

    /// The session it is about.
    pub(super) fn id(&self) -> &'a SessionId {
        self.id
    }

    /// What this process keeps of sessions, if anything.
    pub(super) fn near(&self) -> Option<&'a Arc<NearCache>> {
        self.redis.near()
    }

    /// The key the session is stored under.
    pub(super) fn key(&self) -> Key<'a> {
        self.redis.key(self.id)
    }

    /// The key another session is stored under.
    pub(super) fn key_of<'b>(&self, id: &'b SessionId) -> Key<'b>
    where
        'a: 'b,
    {
        self.redis.key(id)
    }

    /// Sends a command. A key of another type is answered like a missing one: with nil.
    pub(super) async fn send(&self, command: &Cmd, effect: Effect) -> Result<Value> {
        self.exchange(command, effect).await.map_err(Error::from)
    }

    /// Runs a script by its call: one round trip, or two if the server does not
    /// know it yet.
    ///
    /// Sent alone, so that a server that has forgotten it fails nothing else.
    pub(super) async fn run(&self, call: Call, effect: Effect) -> Result<Value> {
        self.note_size(call.size());
        match self.exchange(call.by_hash(), effect).await {
            Err(Failure::NoScript) => {
                let by_text = call.by_text();
                Box::pin(self.send(&by_text, effect)).await
            }
            answer => answer.map_err(Error::from),
        }
    }

    /// Takes note of how many bytes are sent or received for the session.
    pub(super) fn note_size(&self, bytes: usize) {
        self.redis.0.large.note(self.id.as_str(), bytes);
    }

    /// Takes note of how many bytes one item of the session has.
    pub(super) fn note_item_size(&self, key: &str, bytes: usize) {
        if is_large(bytes) {
            self.redis.0.large.note(&large::item(self.id.as_str(), key), bytes);
        }
    }

    /// Awaits what is not a command within the operation's time.
    pub(super) async fn within<F: Future>(&self, future: F) -> Result<F::Output> {
        timeout_at(self.deadline, future).await.map_err(|_| Error::Timeout)
    }

    /// The same for what is seldom awaited at all: kept out of the futures of all the others, which
    /// are made for every request.
    async fn rarely<F: Future>(&self, future: F) -> Result<F::Output> {
        Box::pin(self.within(future)).await
    }

    /// Says that the record counts as no session. It is left as it is.
    pub(super) fn unreadable(&self, fault: &str) {
        let prefix = &self.redis.0.prefix;
        log::warn!("{prefix}{:?} is {fault} and counts as no session", self.id);
    }

    /// Says that a field counts as no item. It is left as it is.
    pub(super) fn spoiled(&self) {
        let prefix = &self.redis.0.prefix;
        log::warn!("{prefix}{:?} has a field that is not UTF-8 and counts as no item", self.id);
    }

    async fn exchange(&self, command: &Cmd, effect: Effect) -> Result<Value, Failure> {
        let (mut broken, mut redirects) = (0, 0);
        let mut redirected: Option<(Arc<Node>, bool)> = None;
        loop {
            let (node, asking) = match redirected.take() {
                Some(redirected) => redirected,
                None => match self.lines.settled_node(self.slot()) {
                    Some(node) => (node?, false),
                    None => (self.rarely(self.lines.node(self.slot())).await??, false),
                },
            };
            let line = node.line(self.lane(effect));
            let open = match line.settled(broken) {
                Some(open) => open,
                None => self.rarely(line.connection(broken)).await?,
            };
            let (mut connection, epoch) = match open {
                Ok(open) => open,
                Err(down) => {
                    if self.rarely(self.has_moved(&node, line)).await?? {
                        continue;
                    }
                    return Err(down.into());
                }
            };
            if effect == Effect::Once && self.takes_no_writes(line) {
                return Err(Error::storage("redis", DEMOTED).into());
            }
            let in_flight = InFlight::new(line, epoch);
            // Not by `within`: each function on the way would double the future.
            let answer =
                timeout_at(self.deadline, attempt(command, asking, &mut connection, in_flight));
            let error = match answer.await.map_err(|_| Error::Timeout)? {
                Ok(value) => {
                    self.note_size(size(&value));
                    if effect == Effect::Once && self.redis.0.wait_replicas > 0 {
                        let in_flight = InFlight::new(line, epoch);
                        Box::pin(self.confirm(connection, in_flight)).await?;
                    }
                    return Ok(value);
                }
                Err(error) => error,
            };
            match failure::judge(&error) {
                Verdict::Foreign => {
                    self.unreadable("of another type");
                    return Ok(Value::Nil);
                }
                Verdict::NoScript => return Err(Failure::NoScript),
                Verdict::Refused => {
                    line.doubt(epoch, false);
                    Box::pin(self.pause(&error)).await?;
                }
                // What counts as a read may extend a time to live.
                Verdict::Demoted if self.takes_no_writes(line) => {
                    return Err(failure::report(&error).into());
                }
                Verdict::Demoted => {
                    line.doubt(epoch, true);
                    Box::pin(self.pause(&error)).await?;
                }
                Verdict::Elsewhere { for_good } => {
                    redirects += 1;
                    if redirects % REDIRECTS == 0 {
                        Box::pin(self.pause(&error)).await?;
                    }
                    let named = self.named(&error, &node, for_good);
                    redirected = Some((named.ok_or_else(|| failure::report(&error))?, !for_good));
                }
                Verdict::Lost if effect == Effect::Repeatable => broken = epoch,
                Verdict::Lost | Verdict::Failed => return Err(failure::report(&error).into()),
            }
        }
    }

    fn lane(&self, effect: Effect) -> Lane {
        if effect == Effect::Once && self.redis.0.wait_replicas > 0 {
            Lane::Writes
        } else {
            Lane::Main
        }
    }

    /// Whether it is known that writes wait in vain: no other server has the key. In a cluster the
    /// nodes soon say who has.
    fn takes_no_writes(&self, line: &Line) -> bool {
        matches!(*self.lines, Lines::One(_)) && line.is_read_only()
    }

    /// The slot of the key. Outside a cluster it does not matter.
    fn slot(&self) -> u16 {
        match *self.lines {
            Lines::One(_) => 0,
            Lines::Cluster(_) => cluster::slot(&self.key().text()),
        }
    }

    /// Whether the key has gone elsewhere while its node went down.
    async fn has_moved(&self, node: &Node, line: &Line) -> Result<bool> {
        let Some(since) = line.down_since() else { return Ok(false) };
        self.lines.doubt(None);
        Ok(self.lines.has_moved(self.slot(), node, since).await)
    }

    /// Returns the node that `from` has named in an answer; `None` outside a cluster.
    fn named(&self, answer: &RedisError, from: &Node, for_good: bool) -> Option<Arc<Node>> {
        let (address, _) = answer.redirect_node()?;
        let address = cluster::located(address, &from.address());
        let node = self.lines.at(&address)?;
        if for_good {
            self.lines.doubt(Some(address));
        }
        Some(node)
    }

    /// Has the write that `connection` has just answered confirmed by as many replicas as there
    /// have to be.
    async fn confirm(&self, mut connection: Connection, in_flight: InFlight<'_>) -> Result<()> {
        let replicas = self.redis.0.wait_replicas;
        let confirmed = timeout_at(self.deadline, connection.confirm(replicas)).await;
        match confirmed {
            Ok(Ok(())) => {
                in_flight.answered();
                Ok(())
            }
            Ok(Err(error)) => Err(failure::report(&error)),
            Err(_) => Err(Error::storage("redis", "too few replicas have confirmed the write")),
        }
    }

    /// Waits a little before the next attempt; fails with what refused this one if no time is
    /// left for that.
    async fn pause(&self, refusal: &RedisError) -> Result<()> {
        if Instant::now() + BEFORE_RETRY >= self.deadline {
            return Err(failure::report(refusal));
        }
        sleep(BEFORE_RETRY).await;
        Ok(())
    }
}

async fn attempt(
    command: &Cmd,
    asking: bool,
    connection: &mut Connection,
    in_flight: InFlight<'_>,
) -> RedisResult<Value> {
    let answer = if asking {
        Box::pin(connection.ask(command)).await
    } else {
        connection.send(command).await
    };
    match &answer {
        Err(error) if failure::judge(error) == Verdict::Lost => drop(in_flight),
        _ => in_flight.answered(),
    }
    answer
}

/// The bytes of an answer that matter.
fn size(value: &Value) -> usize {
    match value {
        Value::BulkString(text) => text.len(),
        Value::Map(pairs) => pairs.iter().map(|(key, text)| size(key) + size(text)).sum(),
        _ => 0,
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoScript => Error::storage("redis", "answered NOSCRIPT"),
            Failure::Other(error) => error,
        }
    }
}
