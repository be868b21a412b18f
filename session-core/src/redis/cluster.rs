//! Clusters: 16,384 slots, spread over nodes.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use deadpool_redis::redis::{ConnectionInfo, FromRedisValue, Value};

use super::{address, near::NearCache, server::Server, supervisor::Target};

const SLOTS: u16 = 16384;

/// A cluster, as far as it is the same for all threads.
pub(super) struct Cluster {
    /// Where to ask first, and how to speak to every node.
    seeds: Vec<ConnectionInfo>,
    connect_timeout: Duration,
    near: Option<Arc<NearCache>>,
    /// The nodes that some thread has a line to, by address.
    // A std mutex: the critical section never awaits and is one map operation.
    nodes: Mutex<HashMap<String, Weak<Target>>>,
}

impl Cluster {
    pub(super) fn new(
        seeds: Vec<ConnectionInfo>,
        connect_timeout: Duration,
        near: Option<Arc<NearCache>>,
    ) -> Self {
        Self { seeds, connect_timeout, near, nodes: Mutex::default() }
    }

    /// The addresses that the settings name.
    pub(super) fn seeds(&self) -> impl Iterator<Item = String> {
        self.seeds.iter().map(|seed| seed.addr().to_string())
    }

    /// The node at an address, the same for all threads. `None` if that is no address.
    pub(super) fn node(&self, address: &str) -> Option<Arc<Target>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(node) = nodes.get(address).and_then(Weak::upgrade) {
            return Some(node);
        }
        let info = address::at(address, &self.seeds[0])?;
        let server = Server::At(Box::new(info));
        let node = Arc::new(Target::new(server, self.connect_timeout, self.near.clone()));
        nodes.retain(|_, node| node.strong_count() > 0);
        nodes.insert(address.to_owned(), Arc::downgrade(&node));
        Some(node)
    }
}

/// The addresses to ask first.
impl fmt::Display for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cluster at ")?;
        for (place, seed) in self.seeds().enumerate() {
            write!(f, "{}{seed}", if place == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

/// The slot of a key: CRC-16 (XMODEM) of it, or of what stands in its first braces.
pub(super) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| Some(rest.split_once('}')?.0));
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    let crc = hashed
        .bytes()
        .fold(0u16, |crc, byte| (crc << 8) ^ CRC[usize::from((crc >> 8) as u8 ^ byte)]);
    crc % SLOTS
}

const CRC: [u16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc << 1) ^ if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
};

/// Slots in a row that one master serves.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: u16,
    pub(super) last: u16,
    pub(super) address: String,
}

/// Reads what `CLUSTER SLOTS` answered, in the order of the slots. `asked` is the address of the
/// node that answered, which may leave its own host out.
pub(super) fn ranges(answer: &Value, asked: &str) -> Option<Vec<Range>> {
    let Value::Array(rows) = answer else { return None };
    let mut ranges: Vec<Range> = rows.iter().map(|row| range(row, asked)).collect::<Option<_>>()?;
    ranges.sort_by_key(|range| range.first);
    Some(ranges)
}

fn range(row: &Value, asked: &str) -> Option<Range> {
    // First slot, last slot, master, replicas.
    let Value::Array(row) = row else { return None };
    let [first, last, Value::Array(master), ..] = &row[..] else { return None };
    let [host, port, ..] = &master[..] else { return None };
    let host = Option::<String>::from_redis_value_ref(host).ok()?.unwrap_or_default();
    let port = u16::from_redis_value_ref(port).ok()?;
    Some(Range {
        first: u16::from_redis_value_ref(first).ok()?,
        last: u16::from_redis_value_ref(last).ok()?,
        address: located(&format!("{host}:{port}"), asked),
    })
}

/// Adds the host that a node leaves out where it is its own, or where it does not know it.
pub(super) fn located(address: &str, asked: &str) -> String {
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
    fn a_key_has_the_slot_that_redis_gives_it() {
        // As CLUSTER KEYSLOT answers.
        for (key, expected) in [
            ("123456789", 12739),
            ("", 0),
            ("foo", 12182),
            ("{foo}bar", 12182),
            ("{}foo", 9500),
            ("foo{{bar}}", 4015),
            ("session:abcdefghijklmnopqrstuvwxyz234567", 11107),
        ] {
            assert_eq!(slot(key), expected, "{key}");
        }
    }

    #[test]
    fn a_map_of_the_slots_is_read_in_order() {
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
        let range = |first, last, address: &str| Range { first, last, address: address.into() };
        let expected = [
            range(0, 98, "10.0.0.1:7001"),
            range(99, 99, "10.0.0.1:7004"),
            range(100, 16383, "10.0.0.2:7002"),
        ];
        assert_eq!(ranges(&answer, "10.0.0.1:7001").unwrap(), expected);
        assert_eq!(ranges(&Value::Array(vec![]), "h:1"), Some(vec![]));
        for bad in [Value::Nil, Value::Array(vec![Value::Int(1)]), row(0, 1, vec![])] {
            assert_eq!(ranges(&bad, "h:1"), None);
        }
    }
}
