//! Ranges of slots, as `CLUSTER SLOTS` lists them.

use deadpool_redis::redis::{FromRedisValue, Value};

/// Consecutive slots that one master serves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct SlotRange {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) address: String,
}

/// Parses the answer to `CLUSTER SLOTS` and sorts it by slot. `None` if it is malformed.
///
/// `asked` is the address of the node that answered, which may omit its own host.
pub(super) fn parse(answer: &Value, asked: &str) -> Option<Vec<SlotRange>> {
    let Value::Array(rows) = answer else { return None };
    let mut ranges: Vec<SlotRange> =
        rows.iter().map(|row| range(row, asked)).collect::<Option<_>>()?;
    ranges.sort_by_key(|range| range.first);
    Some(ranges)
}

fn range(row: &Value, asked: &str) -> Option<SlotRange> {
    // First slot, last slot, master, replicas.
    let Value::Array(row) = row else { return None };
    let [first, last, Value::Array(master), ..] = &row[..] else { return None };
    let [host, port, ..] = &master[..] else { return None };
    let host = Option::<String>::from_redis_value_ref(host).ok()?.unwrap_or_default();
    let port = u16::from_redis_value_ref(port).ok()?;
    Some(SlotRange {
        first: u16::from_redis_value_ref(first).ok()?,
        last: u16::from_redis_value_ref(last).ok()?,
        address: with_host(&format!("{host}:{port}"), asked),
    })
}

/// Adds the host to an address where a node has omitted it, because it is its own or unknown.
pub(crate) fn with_host(address: &str, asked: &str) -> String {
    let own_host = || asked.rsplit_once(':').map_or(asked, |(host, _)| host);
    match address.rsplit_once(':') {
        Some(("" | "?", port)) => format!("{}:{port}", own_host()),
        _ => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_slots_are_parsed_in_their_order() {
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port)]);
        let row = |first, last, nodes: Vec<Value>| {
            let slots = [Value::Int(first), Value::Int(last)];
            Value::Array(slots.into_iter().chain(nodes).collect())
        };
        let text = |text: &str| Value::BulkString(text.into());
        let answer = Value::Array(vec![
            row(100, 16383, vec![node(text("10.0.0.2"), 7002), node(text("10.0.0.3"), 7003)]),
            row(0, 98, vec![node(Value::Nil, 7001)]),
            row(99, 99, vec![node(text(""), 7004)]),
        ]);
        let range = |first, last, address: &str| SlotRange { first, last, address: address.into() };
        let expected = [
            range(0, 98, "10.0.0.1:7001"),
            range(99, 99, "10.0.0.1:7004"),
            range(100, 16383, "10.0.0.2:7002"),
        ];
        assert_eq!(parse(&answer, "10.0.0.1:7001").unwrap(), expected);
        assert_eq!(parse(&Value::Array(vec![]), "h:1"), Some(vec![]));
        for bad in [Value::Nil, Value::Array(vec![Value::Int(1)]), row(0, 1, vec![])] {
            assert_eq!(parse(&bad, "h:1"), None);
        }
    }
}
