//! How Redis is deployed, and the servers that follow from it.

use std::{sync::Arc, time::Duration};

use deadpool_redis::redis::ConnectionInfo;

#[cfg(feature = "redis-tls")]
use super::tls::Tls;
use super::{
    super::client::{Cluster, PushListener, Sentinels, Server, Servers, Target},
    address,
    credentials::Credentials,
};
use crate::{Error, Result};

/// How Redis is deployed, with the URLs to reach it.
#[derive(Clone)]
pub(super) enum Deployment {
    Single(String),
    Sentinel { urls: Vec<String>, master: String },
    Cluster(Vec<String>),
}

/// What every connection needs beside an address.
#[derive(Clone)]
pub(super) struct ConnectionSettings {
    pub(super) credentials: Credentials,
    #[cfg(feature = "redis-tls")]
    pub(super) tls: Tls,
    pub(super) connect_timeout: Duration,
}

impl Deployment {
    /// Returns the servers to connect to. Reads the TLS files; connects to nothing.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if an address or file cannot be used, or settings contradict each other.
    pub(super) fn servers(
        &self,
        settings: &ConnectionSettings,
        listener: Option<Arc<dyn PushListener>>,
    ) -> Result<Servers> {
        let ConnectionSettings { credentials, connect_timeout, .. } = settings;
        let target = |server, listener| Arc::new(Target::new(server, *connect_timeout, listener));
        Ok(match self {
            Self::Single(url) => {
                let info = credentials.add_to(address::parse("redis url", url)?)?;
                let server = Server::At(Box::new(settings.secure(info)?));
                Servers::Single(target(server, listener))
            }
            Self::Sentinel { urls, master } => {
                if master.is_empty() {
                    return Err(Error::Config("redis master: must have a name".to_owned()));
                }
                let infos = settings.parse_list("redis sentinels", urls)?;
                // User and password in a sentinel's URL are for the sentinel alone.
                let servers = infos[0].clone().set_redis_settings(address::resp3());
                let servers = credentials.add_to(servers)?;
                let master = master.clone();
                let server = Server::Master(Box::new(Sentinels { infos, master, servers }));
                Servers::Single(target(server, listener))
            }
            Self::Cluster(urls) => {
                if credentials.database.is_some() {
                    return Err(Error::Config("redis database: a cluster has none".to_owned()));
                }
                let seeds = settings.parse_list("redis cluster", urls)?;
                if seeds.iter().any(|seed| seed.redis_settings().password().is_some()) {
                    let beside = "redis cluster: user and password belong beside the addresses";
                    return Err(Error::Config(beside.to_owned()));
                }
                let seeds = seeds.into_iter().map(|seed| credentials.add_to(seed));
                let seeds = seeds.collect::<Result<_>>()?;
                Servers::Cluster(Arc::new(Cluster::new(seeds, *connect_timeout, listener)))
            }
        })
    }
}

impl ConnectionSettings {
    fn parse_list(&self, what: &str, urls: &[String]) -> Result<Vec<ConnectionInfo>> {
        address::parse_list(what, urls)?.into_iter().map(|info| self.secure(info)).collect()
    }

    /// Adds the certificates.
    #[cfg(feature = "redis-tls")]
    fn secure(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        self.tls.secure(info)
    }

    #[cfg(not(feature = "redis-tls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    fn secure(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        Ok(info)
    }
}
