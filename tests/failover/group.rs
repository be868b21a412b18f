//! Servers of which one may die.

use session_core::{Redis, RedisBuilder};

use crate::support::{cluster::RedisCluster, redis::RedisServer, sentinel::RedisSentinel};

pub(super) enum Group {
    Sentinel(RedisSentinel),
    Cluster(RedisCluster),
}

impl Group {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sentinel(_) => "Sentinel",
            Self::Cluster(_) => "Cluster",
        }
    }

    /// The settings of a demo server on it.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let list = |urls: Vec<String>| urls.join(",");
        match self {
            Self::Sentinel(sentinel) => vec![
                ("DEMO__REDIS__SENTINELS", list(sentinel.urls())),
                ("DEMO__REDIS__MASTER", RedisSentinel::MASTER.to_owned()),
            ],
            Self::Cluster(cluster) => vec![("DEMO__REDIS__CLUSTER", list(cluster.urls()))],
        }
    }

    /// The same for an application of the library.
    pub(super) fn redis(&self) -> RedisBuilder {
        match self {
            Self::Sentinel(sentinel) => Redis::sentinel(sentinel.urls(), RedisSentinel::MASTER),
            Self::Cluster(cluster) => Redis::cluster(cluster.urls()),
        }
    }

    pub(super) fn server(&mut self, place: usize) -> &mut RedisServer {
        match self {
            Self::Sentinel(sentinel) => &mut sentinel.servers[place],
            Self::Cluster(cluster) => &mut cluster.nodes[place],
        }
    }

    /// The master, or in a cluster the one that has slot 0; as the others see it.
    pub(super) fn master(&self) -> Option<usize> {
        match self {
            Self::Sentinel(sentinel) => {
                let named = sentinel.named_by(1);
                (sentinel.servers[named].info("role") == "master").then_some(named)
            }
            Self::Cluster(cluster) => cluster.owner(1, 0),
        }
    }

    /// The number of the latest election, where there may be one too many.
    pub(super) fn election(&self) -> u64 {
        match self {
            Self::Sentinel(sentinel) => {
                let known = (0..3).map(|one| sentinel.election_known(one));
                known.max().expect("there are three")
            }
            Self::Cluster(_) => 0,
        }
    }

    /// The replicas of that master.
    pub(super) fn replicas(&self, master: usize) -> Vec<usize> {
        match self {
            Self::Sentinel(_) => (0..3).filter(|place| *place != master).collect(),
            // The first master and its replica take turns.
            Self::Cluster(_) => vec![3 - master],
        }
    }

    /// Whether that master has all its replicas, and everybody knows.
    pub(super) fn is_whole(&self, master: usize) -> bool {
        match self {
            Self::Sentinel(sentinel) => {
                sentinel.servers[master].replicas() == 2
                    && sentinel.sentinels.iter().all(|one| sentinel.replicas_known(one) == 2)
            }
            Self::Cluster(cluster) => cluster.nodes[master].replicas() == 1,
        }
    }
}
