//! How Redis is deployed, and the servers that follow from it.

use std::sync::Arc;

use deadpool_redis::redis::{ConnectionAddr, ConnectionInfo};

#[cfg(feature = "redis-tls")]
use super::tls::Tls;
use super::{
    super::client::{Cluster, Endpoint, Limits, PushListener, Sentinels, Server, Servers, Target},
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
    /// Whether the servers that sentinels name speak TLS, if not like the sentinels.
    pub(super) servers_tls: Option<bool>,
    pub(super) limits: Limits,
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
        let ConnectionSettings { credentials, limits, servers_tls, .. } = settings;
        if servers_tls.is_some() && !matches!(self, Self::Sentinel { .. }) {
            let problem = "redis servers_tls: is for sentinels only; the url says rediss:// or not";
            return Err(Error::Config(problem.to_owned()));
        }
        let target =
            |server| Servers::Single(Arc::new(Target::new(server, *limits, listener.clone())));
        Ok(match self {
            Self::Single(url) => {
                let info = address::parse("redis url", url)?;
                settings.check_tls([&info])?;
                let endpoint = credentials.add_to(settings.endpoint(info)?)?;
                target(Server::At(Box::new(endpoint)))
            }
            Self::Sentinel { urls, master } => {
                if master.is_empty() {
                    return Err(Error::Config("redis master: must have a name".to_owned()));
                }
                let infos = address::parse_list("redis sentinels", urls)?;
                // User and password in a sentinel's URL are for the sentinel alone.
                let servers = infos[0].clone().set_redis_settings(address::resp3());
                let servers = settings.with_servers_tls(servers)?;
                settings.check_tls(infos.iter().chain([&servers]))?;
                let servers = credentials.add_to(settings.endpoint(servers)?)?;
                let sentinels = settings.endpoints(infos)?;
                let sentinels = Sentinels::new(sentinels, master.clone(), servers);
                target(Server::Master(Box::new(sentinels)))
            }
            Self::Cluster(urls) => {
                if credentials.database.is_some() {
                    return Err(Error::Config("redis database: a cluster has none".to_owned()));
                }
                let infos = address::parse_list("redis cluster", urls)?;
                settings.check_tls(&infos)?;
                if infos.iter().any(|seed| seed.redis_settings().password().is_some()) {
                    let beside = "redis cluster: user and password belong beside the addresses";
                    return Err(Error::Config(beside.to_owned()));
                }
                let seeds = settings.endpoints(infos)?.into_iter();
                let seeds = seeds.map(|seed| credentials.add_to(seed)).collect::<Result<_>>()?;
                Servers::Cluster(Arc::new(Cluster::new(seeds, *limits, listener)))
            }
        })
    }
}

impl ConnectionSettings {
    fn endpoints(&self, infos: Vec<ConnectionInfo>) -> Result<Vec<Endpoint>> {
        infos.into_iter().map(|info| self.endpoint(info)).collect()
    }

    /// Adds what does not depend on the server: probes of idle connections, certificates.
    fn endpoint(&self, info: ConnectionInfo) -> Result<Endpoint> {
        let Limits { connect_timeout, response_timeout, .. } = self.limits;
        // A connection is not given up for less than requests and attempts to connect wait for.
        let info = address::with_keepalive(info, connect_timeout + response_timeout);
        self.secure(Endpoint::new(info))
    }

    /// Makes an address that sentinels name one with TLS or without.
    fn with_servers_tls(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        let scheme = match (self.servers_tls, info.addr()) {
            (Some(true), ConnectionAddr::Tcp(..)) => "rediss",
            (Some(false), ConnectionAddr::TcpTls { .. }) => "redis",
            _ => return Ok(info),
        };
        // The host is replaced by what the sentinels say.
        let other = address::parse("redis servers_tls", &format!("{scheme}://sentinel"))?;
        Ok(info.set_addr(other.addr().clone()))
    }

    #[cfg(feature = "redis-tls")]
    fn check_tls<'a>(&self, infos: impl IntoIterator<Item = &'a ConnectionInfo>) -> Result<()> {
        let is_tls = |info: &ConnectionInfo| matches!(info.addr(), ConnectionAddr::TcpTls { .. });
        if self.tls.is_asked_for() && !infos.into_iter().any(is_tls) {
            let problem = "redis tls: is spoken at rediss:// addresses only";
            return Err(Error::Config(problem.to_owned()));
        }
        Ok(())
    }

    /// Adds the certificates to an address with TLS.
    #[cfg(feature = "redis-tls")]
    fn secure(&self, endpoint: Endpoint) -> Result<Endpoint> {
        self.tls.secure(endpoint)
    }

    #[cfg(not(feature = "redis-tls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    fn check_tls<'a>(&self, _: impl IntoIterator<Item = &'a ConnectionInfo>) -> Result<()> {
        Ok(())
    }

    #[cfg(not(feature = "redis-tls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    fn secure(&self, endpoint: Endpoint) -> Result<Endpoint> {
        Ok(endpoint)
    }
}
