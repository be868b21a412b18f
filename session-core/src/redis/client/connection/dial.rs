//! One attempt to connect: address, greeting, and whether the server executes commands.

use std::{sync::Arc, time::Duration};

use deadpool_redis::redis::{ProtocolVersion, PushInfo};
use tokio::time::Instant;

use super::{
    super::{
        failure::{self, Problem, Verdict},
        patience,
    },
    endpoint::Endpoint,
    health::{Health, is_replica, ping, select, track},
    multiplexed::{Connection, OnPush, is_resp3_refusal},
    target::Target,
};

/// A connection that was just opened.
pub(super) struct Dialled {
    pub(super) connection: Connection,
    /// The address it leads to.
    pub(super) address: String,
}

impl Target {
    /// Connects, within the connect timeout.
    pub(super) async fn dial(&self) -> Result<Dialled, Problem> {
        let deadline = Instant::now() + self.limits.connect_timeout;
        let attempt = Box::pin(self.attempt(deadline));
        let attempt = patience::until(deadline, attempt).await;
        attempt.unwrap_or_else(|_| Err(Problem::unreachable("timed out")))
    }

    async fn attempt(&self, deadline: Instant) -> Result<Dialled, Problem> {
        let endpoint = self.server.endpoint(self.limits).await?;
        let mut connection = self.greet(&endpoint, deadline).await?;
        // A server that loads its data accepts connections long before it accepts commands.
        let asked = Instant::now();
        match ping(&mut connection, self.limits.connect_timeout).await {
            Health::Alive => connection.set_round_trip(asked.elapsed()),
            Health::Lost => return Err(Problem::unreachable("connection lost")),
            Health::Refusing(problem) => return Err(problem),
        }
        if endpoint.database() != 0 {
            let selected = select(&mut connection, endpoint.database()).await;
            selected.map_err(|error| Problem::of(&error))?;
        }
        if self.server.is_elected()
            && is_replica(&mut connection, self.left(deadline)).await == Some(true)
        {
            // The sentinels may not know of a failover yet. Where ROLE is forbidden, a READONLY
            // error will tell.
            return Err(Problem::unreachable("the sentinels name a replica"));
        }
        if self.listener.is_some() {
            self.track(&mut connection).await?;
        }
        self.set_lacks_newer_forms(false);
        Ok(Dialled { connection, address: endpoint.to_string() })
    }

    /// Asks the server to announce changes, or notes why it does not.
    async fn track(&self, connection: &mut Connection) -> Result<(), Problem> {
        if !connection.has_pushes() {
            self.set_silent(Some("does not speak RESP3"));
            return Ok(());
        }
        match track(connection).await {
            Ok(()) => self.set_silent(None),
            Err(error) if failure::judge(&error) == Verdict::Lost => {
                return Err(Problem::of(&error));
            }
            Err(error) => {
                let reason = failure::reason(&error);
                self.set_silent(Some(&format!("refuses CLIENT TRACKING: {reason}")));
            }
        }
        Ok(())
    }

    /// Opens a connection with RESP3, or with RESP2 if the server refuses that.
    async fn greet(&self, endpoint: &Endpoint, deadline: Instant) -> Result<Connection, Problem> {
        let dial = async |protocol, on_push| {
            let dialled = Connection::dial(endpoint, protocol, self.left(deadline), on_push).await;
            dialled.map_err(Problem::unreachable)
        };
        let dialled = match dial(ProtocolVersion::RESP3, self.on_push()).await? {
            Err(error) if is_resp3_refusal(&error) => dial(ProtocolVersion::RESP2, None).await?,
            dialled => dialled,
        };
        dialled.map_err(|error| Problem::of(&error))
    }

    /// Passes on what the server announces.
    fn on_push(&self) -> Option<OnPush> {
        let listener = self.listener.clone()?;
        Some(Arc::new(move |push: &PushInfo| listener.on_push(push)))
    }

    fn left(&self, deadline: Instant) -> Duration {
        deadline.saturating_duration_since(Instant::now())
    }
}
