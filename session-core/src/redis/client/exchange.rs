//! Sending one command until an answer counts: routing, retries, redirections, confirmation.

use std::{future::Future, sync::Arc, time::Duration};

use deadpool_redis::redis::{Cmd, RedisError, RedisResult, Value};
use tokio::time::{Instant, sleep, timeout_at};

use super::{
    connection::{Connection, InFlight, SupervisedConnection},
    effect::Effect,
    failure::{self, DEMOTED, ExchangeError, Verdict},
    operation::Operation,
    topology::{self, ConnectionRole, Node},
};
use crate::{Error, Result};

/// The pause before a command that the server refused to execute is sent again.
const BEFORE_RETRY: Duration = Duration::from_millis(50);
/// How many redirections in a row are followed without a pause. Nodes that have not heard of the
/// latest election may redirect in circles.
const REDIRECTS: u32 = 3;

impl Operation<'_> {
    pub(super) async fn exchange(
        &self,
        command: &Cmd,
        effect: Effect,
    ) -> Result<Value, ExchangeError> {
        let (mut broken, mut redirects) = (0, 0);
        let mut redirected: Option<(Arc<Node>, bool)> = None;
        loop {
            let (node, asking) = match redirected.take() {
                Some(redirected) => redirected,
                None => match self.connections.known_node(self.slot()) {
                    Some(node) => (node?, false),
                    None => (self.rarely(self.connections.node(self.slot())).await??, false),
                },
            };
            let supervised = node.connection(self.role(effect));
            let open = match supervised.current(broken) {
                Some(open) => open,
                None => self.rarely(supervised.wait(broken)).await?,
            };
            let (mut connection, epoch) = match open {
                Ok(open) => open,
                Err(down) => {
                    if self.rarely(self.has_moved(&node, supervised)).await?? {
                        continue;
                    }
                    return Err(down.into());
                }
            };
            if effect == Effect::Once && self.takes_no_writes(supervised) {
                return Err(Error::storage("redis", DEMOTED).into());
            }
            let in_flight = InFlight::new(supervised, epoch);
            // Not by `within`: each function in between would double the future.
            let answer =
                timeout_at(self.deadline, attempt(command, asking, &mut connection, in_flight));
            let error = match answer.await.map_err(|_| Error::Timeout)? {
                Ok(value) => {
                    self.note_size(size(&value));
                    if effect == Effect::Once && self.client.wait_replicas > 0 {
                        let in_flight = InFlight::new(supervised, epoch);
                        Box::pin(self.confirm(connection, in_flight)).await?;
                    }
                    return Ok(value);
                }
                Err(error) => error,
            };
            match failure::judge(&error) {
                Verdict::WrongType => {
                    self.log_unreadable("of another type");
                    return Ok(Value::Nil);
                }
                Verdict::NoScript => return Err(ExchangeError::NoScript),
                Verdict::Refused => {
                    supervised.request_check(epoch, false);
                    Box::pin(self.pause(&error)).await?;
                }
                // A repeatable command may extend a time to live, which a replica refuses too.
                Verdict::Demoted if self.takes_no_writes(supervised) => {
                    return Err(failure::report(&error).into());
                }
                Verdict::Demoted => {
                    supervised.request_check(epoch, true);
                    Box::pin(self.pause(&error)).await?;
                }
                Verdict::Redirected { for_good } => {
                    redirects += 1;
                    if redirects % REDIRECTS == 0 {
                        Box::pin(self.pause(&error)).await?;
                    }
                    let target = self.redirection_target(&error, &node, for_good);
                    redirected = Some((target.ok_or_else(|| failure::report(&error))?, !for_good));
                }
                Verdict::Lost if effect == Effect::Repeatable => broken = epoch,
                Verdict::Lost | Verdict::Failed => return Err(failure::report(&error).into()),
            }
        }
    }

    /// Like `within`, for what is rarely awaited: boxed, so that it does not enlarge the futures
    /// made for every request.
    async fn rarely<F: Future>(&self, future: F) -> Result<F::Output> {
        Box::pin(self.within(future)).await
    }

    fn role(&self, effect: Effect) -> ConnectionRole {
        if effect == Effect::Once && self.client.wait_replicas > 0 {
            ConnectionRole::ConfirmedWrites
        } else {
            ConnectionRole::Main
        }
    }

    /// Returns whether writes are known to fail until the server is promoted again.
    ///
    /// Always `false` in a cluster, where the nodes soon name the slot's new master.
    fn takes_no_writes(&self, supervised: &SupervisedConnection) -> bool {
        self.connections.cluster().is_none() && supervised.is_read_only()
    }

    /// Returns the key's slot, or 0 outside a cluster, where slots do not matter.
    fn slot(&self) -> u16 {
        self.connections.cluster().map_or(0, |_| topology::slot(&self.key.text()))
    }

    /// Returns whether another node has taken over the key's slot from a node that is down.
    async fn has_moved(&self, node: &Node, supervised: &SupervisedConnection) -> Result<bool> {
        let (Some(cluster), Some(since)) = (self.connections.cluster(), supervised.down_since())
        else {
            return Ok(false);
        };
        cluster.request_refresh(None);
        Ok(cluster.has_moved(self.slot(), node, since).await)
    }

    /// Returns the node that a redirection from `from` names; `None` outside a cluster.
    fn redirection_target(
        &self,
        answer: &RedisError,
        from: &Node,
        for_good: bool,
    ) -> Option<Arc<Node>> {
        let cluster = self.connections.cluster()?;
        let (address, _) = answer.redirect_node()?;
        let address = topology::with_host(address, &from.address());
        let node = cluster.node_at(&address)?;
        if for_good {
            cluster.request_refresh(Some(address));
        }
        Some(node)
    }

    /// Waits until enough replicas have the write that `connection` has just answered.
    async fn confirm(&self, mut connection: Connection, in_flight: InFlight<'_>) -> Result<()> {
        let replicas = self.client.wait_replicas;
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

    /// Pauses before the next attempt. Fails with the refusal if the deadline comes first.
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

/// Returns the size of an answer's texts in bytes.
fn size(value: &Value) -> usize {
    match value {
        Value::BulkString(text) => text.len(),
        Value::Map(pairs) => pairs.iter().map(|(key, text)| size(key) + size(text)).sum(),
        _ => 0,
    }
}
