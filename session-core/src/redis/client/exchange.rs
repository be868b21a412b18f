//! Sending one command until an answer counts: routing, retries, redirections, confirmation.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use deadpool_redis::redis::{Cmd, RedisError, RedisResult, Value};
use tokio::{
    select,
    time::{Instant, sleep, timeout_at},
};

use super::{
    connection::{Connection, ConnectionRole, ConnectionWatch, SupervisedConnection},
    effect::Effect,
    failure::{self, DEMOTED, ExchangeError, Verdict},
    operation::Operation,
    patience,
    topology::{self, Node},
};
use crate::{Error, Result};

/// The pause before a command that the server refused to execute is sent again.
pub(super) const BEFORE_RETRY: Duration = Duration::from_millis(50);
/// How many redirections in a row are followed without a pause. Nodes that have not heard of the
/// latest election may redirect in circles.
const REDIRECTS: u32 = 3;
/// After this time without a command, a connection is proven before it is trusted with a write.
/// Load balancers forget idle connections after minutes.
const IDLE: Duration = Duration::from_secs(5);

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
            let mut connection = match open {
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
            let now = Instant::now();
            let is_idle = connection.note_use(now) >= IDLE;
            if is_idle && !self.rarely(self.prove(&connection, effect)).await? {
                continue;
            }
            let watch = connection.watch();
            let patience = watch.patience(self.client.limits.response_timeout);
            let suspicious = self.deadline.min(now + patience);
            let answer = {
                let mut answer = pin!(attempt(command, asking, &mut connection));
                // Not by `within`: each function in between would double the future.
                match timeout_at(suspicious, &mut answer).await {
                    Ok(answer) => Some(answer),
                    Err(_) => Box::pin(self.outwait(answer.as_mut(), &watch, effect)).await?,
                }
            };
            let error = match answer {
                Some(Ok(value)) => {
                    self.note_part(size(&value));
                    if effect == Effect::Once && self.client.wait_replicas > 0 {
                        Box::pin(self.confirm(connection)).await?;
                    }
                    return Ok(value);
                }
                Some(Err(error)) => error,
                None => {
                    broken = watch.epoch();
                    continue;
                }
            };
            match failure::judge(&error) {
                Verdict::WrongType => {
                    self.log_unreadable("of another type");
                    return Ok(Value::Nil);
                }
                Verdict::NoScript => return Err(ExchangeError::NoScript),
                Verdict::UnknownSyntax => {
                    supervised.note_lacks_newer_forms();
                    return Err(ExchangeError::UnknownSyntax);
                }
                Verdict::Refused => {
                    watch.request_check();
                    Box::pin(self.pause(&error)).await?;
                }
                // A repeatable command may extend a time to live, which a replica refuses too.
                Verdict::Demoted if self.takes_no_writes(supervised) => {
                    return Err(failure::report(&error).into());
                }
                Verdict::Demoted => {
                    supervised.demote();
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
                Verdict::Lost if effect == Effect::Repeatable => broken = watch.epoch(),
                Verdict::Lost | Verdict::Failed => return Err(failure::report(&error).into()),
            }
        }
    }

    /// Like `within`, for what is rarely awaited: boxed, so that it does not enlarge the futures
    /// made for every request.
    async fn rarely<F: Future>(&self, future: F) -> Result<F::Output> {
        Box::pin(self.within(future)).await
    }

    /// Returns whether the server is known to lack the newer forms of commands.
    pub(super) fn lacks_newer_forms(&self, effect: Effect) -> bool {
        let node = self.connections.known_node(self.slot());
        let role = self.role(effect);
        node.is_some_and(|node| node.is_ok_and(|node| node.connection(role).lacks_newer_forms()))
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
    async fn confirm(&self, mut connection: Connection) -> Result<()> {
        let confirm = connection.confirm(self.client.wait_replicas);
        match patience::until(self.deadline, confirm).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(failure::report(&error)),
            Err(_) => Err(Error::storage("redis", "too few replicas have confirmed the write")),
        }
    }

    /// Proves a connection that nobody has used for long: something between here and the server may
    /// have forgotten it without a word. Returns whether to use it.
    ///
    /// A write waits for the proof, because it cannot be sent twice. A read does not.
    async fn prove(&self, connection: &Connection, effect: Effect) -> bool {
        if effect == Effect::Repeatable {
            connection.watch().request_check();
            return true;
        }
        connection.clone().proves_alive(self.client.limits.response_timeout).await
    }

    /// Waits for an answer that takes long, while the connection is checked. Returns `None` if the
    /// command has to be sent again over another connection.
    async fn outwait(
        &self,
        mut answer: Pin<&mut impl Future<Output = RedisResult<Value>>>,
        connection: &ConnectionWatch,
        effect: Effect,
    ) -> Result<Option<RedisResult<Value>>> {
        connection.request_check();
        let answer = async {
            select! {
                biased;
                answer = &mut answer => Some(answer),
                () = connection.until_lost(), if effect == Effect::Repeatable => None,
            }
        };
        patience::until(self.deadline, answer).await.map_err(|_| Error::Timeout)
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

async fn attempt(command: &Cmd, asking: bool, connection: &mut Connection) -> RedisResult<Value> {
    if asking { Box::pin(connection.ask(command)).await } else { connection.send(command).await }
}

/// Returns the size of an answer's texts in bytes.
fn size(value: &Value) -> usize {
    match value {
        Value::BulkString(text) => text.len(),
        Value::Map(pairs) => pairs.iter().map(|(key, text)| size(key) + size(text)).sum(),
        Value::Array(texts) => texts.iter().map(size).sum(),
        _ => 0,
    }
}
