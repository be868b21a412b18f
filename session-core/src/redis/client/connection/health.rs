//! Questions to a server about its state.

use std::time::Duration;

use deadpool_redis::redis::{Cmd, RedisResult, Value, cmd};
use tokio::time::Instant;

use super::{
    super::{
        failure::{self, Problem, Verdict},
        patience,
    },
    multiplexed::Connection,
};

/// The result of a check.
pub(super) enum Health {
    Alive,
    /// The connection has ended, or nothing arrives over it.
    Lost,
    /// The server answers that it does not execute commands.
    Refusing(Problem),
}

/// Sends a `PING`. Any answer that arrives meanwhile shows that the connection is alive.
pub(super) async fn ping(connection: &mut Connection, limit: Duration) -> Health {
    let (watch, before) = (connection.watch(), connection.watch().answers());
    let ping: Cmd = cmd("PING");
    let answer: RedisResult<Value> =
        match patience::until(Instant::now() + limit, ping.query_async(connection)).await {
            Ok(answer) => answer,
            Err(_) if watch.answers() > before => return Health::Alive,
            Err(_) => return Health::Lost,
        };
    match answer {
        Ok(_) => Health::Alive,
        Err(error) => match failure::judge(&error) {
            Verdict::Lost => Health::Lost,
            Verdict::Refused => Health::Refusing(Problem::of(&error)),
            // PING may be forbidden, but the server has answered.
            _ if failure::is_admission(&error) => Health::Refusing(Problem::of(&error)),
            _ => Health::Alive,
        },
    }
}

/// Asks for the server's `ROLE`. `None` if that is forbidden or not answered in time.
pub(super) async fn is_replica(connection: &mut Connection, limit: Duration) -> Option<bool> {
    let role: Cmd = cmd("ROLE");
    let answer = role.query_async::<Vec<Value>>(connection);
    let role = patience::until(Instant::now() + limit, answer).await.ok()?.ok()?;
    match role.into_iter().next()? {
        Value::BulkString(role) => Some(role == b"slave"),
        _ => None,
    }
}

/// Selects the numbered database.
pub(super) async fn select(connection: &mut Connection, database: i64) -> RedisResult<()> {
    let mut select: Cmd = cmd("SELECT");
    select.arg(database);
    select.exec_async(connection).await
}

/// Turns tracking on: from then on the server announces every change to what is read over this
/// connection, including changes made over it.
pub(super) async fn track(connection: &mut Connection) -> RedisResult<()> {
    let mut tracking: Cmd = cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON");
    tracking.exec_async(connection).await
}
