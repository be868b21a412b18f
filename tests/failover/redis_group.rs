//! Groups of Redis servers with failover.

use session_core::{Redis, RedisBuilder};

use crate::support::{cluster::RedisCluster, redis::RedisServer, sentinel::RedisSentinel};

pub(super) enum RedisGroup {
    Sentinel(RedisSentinel),
    Cluster(RedisCluster),
}

impl RedisGroup {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Sentinel(_) => "Sentinel",
            Self::Cluster(_) => "Cluster",
        }
    }

    /// Returns the settings of a demo server for this group.
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

    /// Returns the same settings for an application on the library.
    pub(super) fn builder(&self) -> RedisBuilder {
        match self {
            Self::Sentinel(sentinel) => Redis::sentinel(sentinel.urls(), RedisSentinel::MASTER),
            Self::Cluster(cluster) => Redis::cluster(cluster.urls()),
        }
    }

    pub(super) fn server(&mut self, index: usize) -> &mut RedisServer {
        match self {
            Self::Sentinel(sentinel) => &mut sentinel.servers[index],
            Self::Cluster(cluster) => &mut cluster.nodes[index],
        }
    }

    /// Returns the master, or the master of slot 0 in a cluster, according to another member.
    pub(super) fn master(&self) -> Option<usize> {
        match self {
            Self::Sentinel(sentinel) => {
                let named = sentinel.named_by(1);
                (sentinel.servers[named].info("role") == "master").then_some(named)
            }
            Self::Cluster(cluster) => cluster.owner(1, 0),
        }
    }

    /// Returns the number of the latest election: 0 in a cluster, which has no repeated ones.
    pub(super) fn election(&self) -> u64 {
        match self {
            Self::Sentinel(sentinel) => {
                let known = (0..3).map(|number| sentinel.config_epoch(number));
                known.max().expect("there are three sentinels")
            }
            Self::Cluster(_) => 0,
        }
    }

    /// Returns the replicas of a master.
    pub(super) fn replicas(&self, master: usize) -> Vec<usize> {
        match self {
            Self::Sentinel(_) => (0..3).filter(|index| *index != master).collect(),
            // Nodes 0 and 3 are the first master and its replica, in alternating roles.
            Self::Cluster(_) => vec![3 - master],
        }
    }

    /// Returns whether a master has all its replicas, and the sentinels know them.
    pub(super) fn is_complete(&self, master: usize) -> bool {
        match self {
            Self::Sentinel(sentinel) => {
                sentinel.servers[master].replicas() == 2
                    && sentinel.sentinels.iter().all(|one| sentinel.replicas_known(one) == 2)
            }
            Self::Cluster(cluster) => cluster.nodes[master].replicas() == 1,
        }
    }
}
