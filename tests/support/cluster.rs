//! Real Redis clusters for tests.

use std::{
    collections::BTreeSet,
    process::{Command, Stdio},
};

use super::{
    redis::{RedisServer, free_port, major_version},
    sentinel::until,
};

const SLOTS: usize = 16384;

/// A cluster of masters with one replica each, or with none. Killed on drop.
pub struct RedisCluster {
    /// The masters, then their replicas in the same order.
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts three masters with a replica each and waits until all nodes agree.
    pub fn start() -> Self {
        Self::start_with(3, true, |_| Vec::new())
    }

    /// Starts a cluster whose nodes have more command line options.
    pub fn start_with(
        masters: usize,
        replicas: bool,
        settings: impl Fn(usize) -> Vec<String>,
    ) -> Self {
        let count = if replicas { 2 * masters } else { masters };
        let cluster = Self { nodes: (0..count).map(|place| node(&settings(place))).collect() };
        let ids: Vec<_> = cluster.nodes.iter().map(|node| node.cli(&["CLUSTER", "MYID"])).collect();
        for (place, node) in cluster.nodes.iter().enumerate() {
            ok(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(place + 1).to_string()]);
            if place < masters {
                let slots = SLOTS * place / masters..SLOTS * (place + 1) / masters;
                let slots: Vec<String> = slots.map(|slot| slot.to_string()).collect();
                let slots: Vec<&str> = slots.iter().map(String::as_str).collect();
                ok(node, &[&["CLUSTER", "ADDSLOTS"], &slots[..]].concat());
            }
            for other in &cluster.nodes[..place] {
                cluster.meet(node, other);
            }
        }
        until("all nodes know each other", || {
            cluster
                .nodes
                .iter()
                .all(|node| node.cluster_info("cluster_known_nodes") == count.to_string())
        });
        for (place, node) in cluster.nodes.iter().enumerate().skip(masters) {
            let master = &ids[place - masters];
            // The node may not have heard by gossip yet that this is a master.
            until("a master has its replica", || {
                node.cli(&["CLUSTER", "REPLICATE", master]) == "OK"
            });
        }
        until("the cluster is whole", || {
            let is_whole = |node: &RedisServer| {
                node.cluster_info("cluster_state") == "ok"
                    && node.cluster_info("cluster_slots_ok") == SLOTS.to_string()
            };
            cluster.nodes.iter().all(is_whole)
        });
        for master in &cluster.nodes[..masters] {
            until("replication is up", || master.is_confirmed_by((count - masters) / masters));
        }
        cluster
    }

    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// Returns the owner of a slot according to the node `asked`.
    pub fn owner(&self, asked: usize, slot: usize) -> Option<usize> {
        // Columns: id address flags master ping pong epoch link slots...
        let all = self.nodes[asked].cli(&["CLUSTER", "NODES"]);
        let has_slot = |line: &&str| {
            line.split(' ').skip(8).filter(|range| !range.starts_with('[')).any(|range| {
                let (first, last) = range.split_once('-').unwrap_or((range, range));
                let [first, last]: [usize; 2] = [first, last].map(|slot| slot.parse().unwrap());
                (first..=last).contains(&slot)
            })
        };
        let line = all.lines().find(has_slot)?;
        let address = line.split(' ').nth(1)?.split('@').next()?;
        self.nodes.iter().position(|node| address == format!("127.0.0.1:{}", node.port()))
    }

    pub fn id(&self, node: usize) -> String {
        self.nodes[node].cli(&["CLUSTER", "MYID"])
    }

    /// Adds a master without slots and returns its index.
    pub fn add_node(&mut self) -> usize {
        let new = node(&[]);
        self.meet(&new, &self.nodes[0]);
        self.nodes.push(new);
        let count = self.nodes.len().to_string();
        until("all nodes know the new node", || {
            let knows = |node: &RedisServer| node.cluster_info("cluster_known_nodes") == count;
            // The new node refuses slots until it sees the cluster as ok.
            self.nodes.iter().all(|node| knows(node) && node.cluster_info("cluster_state") == "ok")
        });
        self.nodes.len() - 1
    }

    /// Moves a number of slots with their keys, without downtime.
    pub fn reshard(&self, from: usize, to: usize, slots: usize) {
        let entry = format!("127.0.0.1:{}", self.nodes[to].port());
        let (from, to, slots) = (self.id(from), self.id(to), slots.to_string());
        let arguments = ["--cluster", "reshard", &entry, "--cluster-from", &from];
        let more = ["--cluster-to", &to, "--cluster-slots", &slots, "--cluster-yes"];
        // redis-cli refuses until all nodes have heard of the last change.
        until("the slots have moved", || {
            let mut reshard = Command::new("redis-cli");
            reshard.args(arguments).args(more);
            reshard.stdout(Stdio::null()).stderr(Stdio::null());
            reshard.status().expect("redis-cli runs").success()
        });
    }

    /// Moves at most `at_most` slots that have keys, key by key, without downtime. Returns the
    /// number of slots moved.
    pub fn move_slots_in_use(&self, from: usize, to: usize, at_most: usize) -> usize {
        let keys = self.nodes[from].cli(&["SCAN", "0", "COUNT", "10000"]);
        let slot = |key: &str| self.nodes[from].cli(&["CLUSTER", "KEYSLOT", key]);
        let slots: BTreeSet<String> = keys.lines().skip(1).take(at_most).map(slot).collect();
        slots.iter().for_each(|slot| self.move_slot(from, to, slot));
        slots.len()
    }

    fn move_slot(&self, from: usize, to: usize, slot: &str) {
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        let (from, to, port) = (self.id(from), self.id(to), target.port().to_string());
        ok(target, &["CLUSTER", "SETSLOT", slot, "IMPORTING", &from]);
        ok(source, &["CLUSTER", "SETSLOT", slot, "MIGRATING", &to]);
        loop {
            let keys = source.cli(&["CLUSTER", "GETKEYSINSLOT", slot, "10"]);
            let keys: Vec<&str> = keys.lines().filter(|key| !key.is_empty()).collect();
            if keys.is_empty() {
                break;
            }
            let migrate = ["MIGRATE", "127.0.0.1", &port, "", "0", "5000", "KEYS"];
            let moved = source.cli(&[&migrate[..], &keys].concat());
            assert!(["OK", "NOKEY"].contains(&&*moved), "{moved}");
        }
        // The new owner first: otherwise the old one would redirect clients to a node that does not
        // serve the slot yet.
        ok(target, &["CLUSTER", "SETSLOT", slot, "NODE", &to]);
        ok(source, &["CLUSTER", "SETSLOT", slot, "NODE", &to]);
    }

    /// Removes the last node, which must have no slots, from the cluster and stops it.
    pub fn remove_node(&mut self) {
        let entry = format!("127.0.0.1:{}", self.nodes[0].port());
        let id = self.id(self.nodes.len() - 1);
        let removed = Command::new("redis-cli")
            .args(["--cluster", "del-node", &entry, &id])
            .stdout(Stdio::null())
            .status();
        assert!(removed.expect("redis-cli runs").success());
        self.nodes.pop();
    }

    fn meet(&self, node: &RedisServer, other: &RedisServer) {
        let setting = |name| {
            let answer = other.cli(&["CONFIG", "GET", name]);
            answer.lines().last().unwrap_or_default().to_owned()
        };
        let port = if setting("tls-cluster") == "yes" { "tls-port" } else { "port" };
        let (port, bus) = (setting(port), setting("cluster-port"));
        let mut meet = vec!["CLUSTER", "MEET", "127.0.0.1", &port];
        // Redis 6 has no such setting.
        meet.extend((!bus.is_empty()).then_some(&*bus));
        ok(node, &meet);
    }
}

fn node(settings: &[String]) -> RedisServer {
    let bus = free_port().to_string();
    // Without it the bus is 10,000 ports higher, which may be taken when a node restarts.
    let bus: &[&str] = if major_version() < 7 { &[] } else { &["--cluster-port", &bus] };
    let usual = [
        "--cluster-enabled",
        "yes",
        "--cluster-node-timeout",
        "1500",
        // A slot without a master does not take the other slots down.
        "--cluster-require-full-coverage",
        "no",
        // A replica may take over however long it was disconnected.
        "--cluster-replica-validity-factor",
        "0",
        "--repl-diskless-sync-delay",
        "0",
    ];
    let settings = usual.iter().chain(bus).copied().chain(settings.iter().map(String::as_str));
    RedisServer::start_with(&settings.collect::<Vec<_>>())
}

fn ok(node: &RedisServer, command: &[&str]) {
    assert_eq!(node.cli(command), "OK", "{command:?}");
}
