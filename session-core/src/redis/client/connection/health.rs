//! Questions to a server about its state.

use std::time::Duration;

use deadpool_redis::redis::{Cmd, RedisResult, Value, cmd};
use tokio::time::timeout;

use super::{
    super::failure::{self, Verdict},
    multiplexed::Connection,
};

/// How soon a connection being checked has to answer.
const ANSWER: Duration = Duration::from_millis(500);

/// The result of a check.
pub(super) enum Health {
    Alive,
    /// The connection has ended.
    Lost,
    /// There was no answer, or one that shows that the server answers nothing else either.
    Unresponsive(String),
}

/// Sends a `PING`.
pub(super) async fn ping(connection: &mut Connection) -> Health {
    let ping: Cmd = cmd("PING");
    let answer: Result<RedisResult<Value>, _> = timeout(ANSWER, ping.query_async(connection)).await;
    match answer {
        Ok(Ok(_)) => Health::Alive,
        Ok(Err(error)) => match failure::judge(&error) {
            Verdict::Lost => Health::Lost,
            Verdict::Refused => Health::Unresponsive(failure::reason(&error)),
            // PING may be forbidden, but the server has answered.
            _ => Health::Alive,
        },
        Err(_) => Health::Unresponsive("timed out".to_owned()),
    }
}

/// Asks for the server's `ROLE`. `false` if that is forbidden or not answered in time.
pub(super) async fn is_replica(connection: &mut Connection) -> bool {
    let role: Cmd = cmd("ROLE");
    let answer = timeout(ANSWER, role.query_async::<Vec<Value>>(connection)).await;
    let role = answer.ok().and_then(Result::ok).and_then(|role| role.into_iter().next());
    matches!(role, Some(Value::BulkString(role)) if role == b"slave")
}

/// Turns tracking on: from then on the server announces every change to what is read over this
/// connection, including changes made over it.
pub(super) async fn track(
    mut connection: Connection,
    limit: Duration,
) -> Result<Connection, String> {
    let mut tracking: Cmd = cmd("CLIENT");
    tracking.arg("TRACKING").arg("ON");
    match timeout(limit, tracking.exec_async(&mut connection)).await {
        Ok(answer) => answer.map(|()| connection).map_err(|error| failure::reason(&error)),
        Err(_) => Err("timed out".to_owned()),
    }
}
