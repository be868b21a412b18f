//! Going through the keys of all servers.

use deadpool_redis::redis::{Cmd, Value, cmd};
use tokio::time::sleep;

use super::{
    connection::ConnectionRole,
    exchange::BEFORE_RETRY,
    failure::{self, Verdict},
    handle::Client,
    topology::{Node, ThreadConnections},
};
use crate::{Error, Result};

/// About how many keys the server looks at for one page.
const COUNT: usize = 500;

/// Where a scan goes on: at a server, after some of its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// The first slot that the server serves; 0 outside a cluster.
    slot: u16,
    /// The address of the server; empty outside a cluster.
    address: String,
    /// What the server has answered last; 0 before its first answer.
    cursor: u64,
}

impl Position {
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, ' ');
        let (slot, cursor) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        Some(Self { slot, cursor, address: parts.next()?.to_owned() })
    }

    pub(crate) fn text(&self) -> String {
        format!("{} {} {}", self.slot, self.cursor, self.address)
    }
}

impl Client {
    /// Returns some of the keys that match a pattern and have a type, and where to go on.
    ///
    /// One `SCAN`, within the response timeout. In a cluster one master after the other is asked,
    /// in the order of their slots. One that has failed over is asked from its first key on.
    pub(crate) async fn scan(
        &self,
        from: Position,
        pattern: &str,
        form: &str,
    ) -> Result<(Vec<Vec<u8>>, Option<Position>)> {
        self.bounded(self.scan_in_time(from, pattern, form)).await
    }

    async fn scan_in_time(
        &self,
        from: Position,
        pattern: &str,
        form: &str,
    ) -> Result<(Vec<Vec<u8>>, Option<Position>)> {
        let connections =
            ThreadConnections::of_this_thread(self.number, &self.servers, &self.owned);
        let is_cluster = connections.cluster().is_some();
        let masters = connections.masters().await?;
        let here = |slot: u16, node: &Node| Position {
            slot,
            address: if is_cluster { node.address() } else { String::new() },
            cursor: 0,
        };
        let mut left = masters.iter().skip_while(|(slot, _)| *slot < from.slot);
        let Some((slot, node)) = left.next() else { return Ok((Vec::new(), None)) };
        let start = here(*slot, node);
        let is_same = (start.slot, &start.address) == (from.slot, &from.address);
        let cursor = if is_same { from.cursor } else { 0 };
        let mut command = cmd("SCAN");
        command.arg(cursor).arg("MATCH").arg(pattern).arg("COUNT").arg(COUNT);
        command.arg("TYPE").arg(form);
        let (cursor, keys) = parse(ask(node, &command).await?).ok_or_else(|| {
            Error::storage("redis", "answered SCAN with something other than a page of keys")
        })?;
        let next = match cursor {
            0 => left.next().map(|(slot, node)| here(*slot, node)),
            cursor => Some(Position { cursor, ..start }),
        };
        Ok((keys, next))
    }
}

/// Asks one server, again over another connection if one is lost.
async fn ask(node: &Node, command: &Cmd) -> Result<Value> {
    let supervised = node.connection(ConnectionRole::Main);
    let mut broken = 0;
    loop {
        let mut connection = supervised.wait(broken).await?;
        let watch = connection.watch();
        // A connection that was forgotten on its way is noticed within the time of this page.
        watch.request_check();
        let error = match connection.send(command).await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        match failure::judge(&error) {
            Verdict::Lost => broken = watch.epoch(),
            Verdict::Refused => sleep(BEFORE_RETRY).await,
            _ => return Err(failure::report(&error)),
        }
    }
}

/// Parses the answer to `SCAN`: a cursor and keys.
fn parse(answer: Value) -> Option<(u64, Vec<Vec<u8>>)> {
    let Value::Array(parts) = answer else { return None };
    let Ok([Value::BulkString(cursor), Value::Array(keys)]) = <[Value; 2]>::try_from(parts) else {
        return None;
    };
    let key = |key| match key {
        Value::BulkString(key) => Some(key),
        _ => None,
    };
    let keys = keys.into_iter().map(key).collect::<Option<_>>()?;
    Some((str::from_utf8(&cursor).ok()?.parse().ok()?, keys))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_a_text() {
        for (slot, address, cursor) in [(0, "", 0), (5461, "10.0.0.1:7000", u64::MAX)] {
            let position = Position { slot, address: address.to_owned(), cursor };
            assert_eq!(Position::parse(&position.text()), Some(position));
        }
        for none in ["", "1", "1 2", "x 2 a", "1 x a", "65536 0 a", "1 -1 a"] {
            assert_eq!(Position::parse(none), None, "{none}");
        }
    }

    #[test]
    fn an_answer_is_a_cursor_and_keys() {
        let text = |text: &str| Value::BulkString(text.into());
        let answer = Value::Array(vec![text("17"), Value::Array(vec![text("a"), text("b")])]);
        assert_eq!(parse(answer), Some((17, vec![b"a".to_vec(), b"b".to_vec()])));
        let bad = [
            Value::Nil,
            Value::Array(vec![text("17")]),
            Value::Array(vec![text("x"), Value::Array(vec![])]),
            Value::Array(vec![text("17"), Value::Array(vec![Value::Nil])]),
        ];
        assert!(bad.into_iter().all(|bad| parse(bad).is_none()));
    }
}
