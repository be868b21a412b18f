//! One storage operation: its key, its deadline, its commands.

use std::{future::Future, sync::Arc};

use deadpool_redis::redis::{Cmd, Value};
use tokio::time::Instant;

use super::{
    effect::Effect, failure::ExchangeError, handle::Client, key::Key, patience, script::Call,
    topology::ThreadConnections,
};
use crate::{Error, Result};

/// An operation on one key, which ends by its deadline however many commands it takes.
pub(crate) struct Operation<'a> {
    pub(super) client: &'a Client,
    pub(super) key: Key<'a>,
    pub(super) connections: Arc<ThreadConnections>,
    pub(super) deadline: Instant,
}

impl<'a> Operation<'a> {
    /// Begins an operation. Its time runs from here.
    pub(crate) fn begin(client: &'a Client, key: Key<'a>) -> Self {
        let deadline = Instant::now() + client.limits.response_timeout;
        let connections =
            ThreadConnections::of_this_thread(client.number, &client.servers, &client.owned);
        Self { client, key, connections, deadline }
    }

    /// Returns the key that the operation is about.
    pub(crate) fn key(&self) -> Key<'a> {
        self.key
    }

    /// Sends a command and returns the answer. A key of another type answers nil, like a missing
    /// one.
    pub(crate) async fn send(&self, command: &Cmd, effect: Effect) -> Result<Value> {
        self.exchange(command, effect).await.map_err(Error::from)
    }

    /// Sends the newer form of a command. Returns `None` if the server does not know it.
    ///
    /// That is found out by the first command after a connection was opened, and none is sent again
    /// before the next one is.
    pub(crate) async fn send_if_known(
        &self,
        command: impl FnOnce() -> Cmd,
        effect: Effect,
    ) -> Result<Option<Value>> {
        if self.lacks_newer_forms(effect) {
            return Ok(None);
        }
        match self.exchange(&command(), effect).await {
            Err(ExchangeError::UnknownSyntax) => Ok(None),
            answer => answer.map(Some).map_err(Error::from),
        }
    }

    /// Runs a script. One round trip, or two if the server does not know the script yet.
    ///
    /// Scripts are never pipelined with other commands, so a server that has forgotten one fails
    /// nothing else.
    pub(crate) async fn run(&self, call: Call, effect: Effect) -> Result<Value> {
        self.note_part(call.size());
        match self.exchange(call.by_hash(), effect).await {
            Err(ExchangeError::NoScript) => {
                let by_text = call.by_text();
                Box::pin(self.send(&by_text, effect)).await
            }
            answer => answer.map_err(Error::from),
        }
    }

    /// Notes how many bytes are sent or received for the key.
    pub(crate) fn note_part(&self, bytes: usize) {
        self.client.large.note_part(self.key.id.as_str(), bytes);
    }

    /// Notes the size of the whole value in bytes, 0 if there is none.
    pub(crate) fn note_size(&self, bytes: usize) {
        self.client.large.note_whole(self.key.id.as_str(), bytes);
    }

    /// Notes the size in bytes of one item of the value, 0 if there is none.
    pub(crate) fn note_item_size(&self, item: &str, bytes: usize) {
        self.client.large.note_item(self.key.id.as_str(), item, bytes);
    }

    /// Awaits something other than a command, within the operation's deadline.
    pub(crate) async fn within<F: Future>(&self, future: F) -> Result<F::Output> {
        patience::until(self.deadline, future).await.map_err(|_| Error::Timeout)
    }

    /// Logs that the record counts as no session. It is left as it is.
    pub(crate) fn log_unreadable(&self, fault: &str) {
        log::warn!("{:?} is {fault} and counts as no session", self.key);
    }

    /// Logs that a field counts as no item. It is left as it is.
    pub(crate) fn log_unreadable_field(&self) {
        log::warn!("{:?} has a field that is not UTF-8 and counts as no item", self.key);
    }
}
