//! Real Redis masters with replicas and sentinels for tests.

use std::time::{Duration, Instant};

use super::redis::{RedisServer, free_port};

/// One master, two replicas, three sentinels. Killed on drop.
pub struct RedisSentinel {
    /// The master at the start, then its replicas.
    pub servers: Vec<RedisServer>,
    pub sentinels: Vec<RedisServer>,
}

impl RedisSentinel {
    /// The name under which the sentinels know the master.
    pub const MASTER: &str = "shop";

    /// Starts everything and waits until replication is up and the sentinels agree.
    pub fn start() -> Self {
        let settings = ["--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1"];
        let master = RedisServer::start_with(&settings);
        let port = master.port().to_string();
        let follow = ["--replicaof", "127.0.0.1", &port];
        let replica = || RedisServer::start_with(&[&settings[..], &follow].concat());
        let servers = vec![master, replica(), replica()];
        until("replication is up", || servers[0].is_confirmed_by(2));

        let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
        let sentinels = (0..3).map(|own| {
            // The configuration includes everything that sentinels would discover over time.
            let mut lines = format!(
                "sentinel myid {}\nsentinel monitor {name} 127.0.0.1 {port} 2\n\
                 sentinel down-after-milliseconds {name} 1000\n\
                 sentinel failover-timeout {name} 3000\nsentinel parallel-syncs {name} 2\n",
                run_id(own),
                name = Self::MASTER,
            );
            for replica in &servers[1..] {
                let line = format!(
                    "sentinel known-replica {} 127.0.0.1 {}\n",
                    Self::MASTER,
                    replica.port()
                );
                lines.push_str(&line);
            }
            for (other, port) in ports.iter().enumerate().filter(|(other, _)| *other != own) {
                let line = format!(
                    "sentinel known-sentinel {} 127.0.0.1 {port} {}\n",
                    Self::MASTER,
                    run_id(other)
                );
                lines.push_str(&line);
            }
            RedisServer::start_sentinel(ports[own], &lines)
        });
        let started = Self { sentinels: sentinels.collect(), servers };
        for sentinel in &started.sentinels {
            until("the sentinels agree", || {
                let quorum = sentinel.cli(&["SENTINEL", "CKQUORUM", Self::MASTER]);
                quorum.starts_with("OK 3 usable") && started.replicas_known(sentinel) == 2
            });
        }
        started
    }

    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// Returns the server that `sentinel` names as the master.
    pub fn named_by(&self, sentinel: usize) -> usize {
        let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::MASTER];
        let answer = self.sentinels[sentinel].cli(&question);
        let port = answer.lines().last().and_then(|port| port.parse().ok());
        let named = self.servers.iter().position(|server| Some(server.port()) == port);
        named.expect("a sentinel names one of the servers")
    }

    /// Returns the configuration epoch that `sentinel` knows. Each election increases it.
    pub fn config_epoch(&self, sentinel: usize) -> u64 {
        let answer = self.sentinels[sentinel].cli(&["SENTINEL", "MASTER", Self::MASTER]);
        let mut lines = answer.lines().skip_while(|line| *line != "config-epoch");
        lines.nth(1).and_then(|epoch| epoch.parse().ok()).expect("a sentinel reports its epoch")
    }

    /// Counts the replicas that `sentinel` could promote.
    pub fn replicas_known(&self, sentinel: &RedisServer) -> usize {
        let list = sentinel.cli(&["SENTINEL", "REPLICAS", Self::MASTER]);
        let lines: Vec<_> = list.lines().collect();
        lines.windows(2).filter(|pair| pair == &["master-link-status", "ok"]).count()
    }
}

fn run_id(sentinel: usize) -> String {
    format!("{:040x}", sentinel + 1)
}

/// Polls until the condition holds, and returns how long that took. Panics after a minute.
#[track_caller]
pub fn until(description: &str, mut condition: impl FnMut() -> bool) -> Duration {
    let begin = Instant::now();
    while !condition() {
        let elapsed = begin.elapsed();
        assert!(elapsed < Duration::from_secs(60), "timed out waiting for: {description}");
        std::thread::sleep(Duration::from_millis(10));
    }
    begin.elapsed()
}
