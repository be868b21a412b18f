//! Addresses of servers, and what goes with them to every server they name.

use deadpool_redis::redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
};

use super::failure;
use crate::{Error, Result};

/// Reads a URL. `what` is the setting it stands in.
pub(super) fn parse(what: &str, url: &str) -> Result<ConnectionInfo> {
    let wrong = |problem: &str| Error::Config(format!("{what}: {problem}"));
    let info = url.into_connection_info().map_err(|error| wrong(&failure::reason(&error)))?;
    match info.addr() {
        ConnectionAddr::TcpTls { insecure: true, .. } => {
            return Err(wrong("TLS without checking certificates is not offered"));
        }
        address if !address.is_supported() => {
            return Err(wrong("TLS needs the cargo feature `redis-tls`"));
        }
        _ => {}
    }
    // RESP3: only there can the server, or the library, speak without being asked.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    // Nagle would hold a request back until the one before it is acknowledged.
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
}

/// Reads the URLs of servers that lead to others: all with TLS or all without, so that it is
/// known how to speak to those.
pub(super) fn parse_list(what: &str, urls: &[String]) -> Result<Vec<ConnectionInfo>> {
    let infos: Vec<_> = urls.iter().map(|url| parse(what, url)).collect::<Result<_>>()?;
    let wrong = |problem: &str| Err(Error::Config(format!("{what}: {problem}")));
    let mut kinds = infos.iter().map(|info| std::mem::discriminant(info.addr()));
    let Some(first) = kinds.next() else {
        return wrong("at least one address is needed");
    };
    if infos.iter().any(|info| matches!(info.addr(), ConnectionAddr::Unix(_))) {
        return wrong("sockets of this machine lead to no others");
    }
    if kinds.any(|kind| kind != first) {
        return wrong("the addresses must be all redis:// or all rediss://");
    }
    if infos.iter().any(|info| info.redis_settings().db() != 0) {
        return wrong("there are no databases at these addresses");
    }
    Ok(infos)
}

/// How to greet a server of which nothing else is known.
pub(super) fn resp3() -> RedisConnectionInfo {
    RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3)
}

/// The server at `address`, spoken to as `like` is. `None` if that is no `host:port`.
pub(super) fn at(address: &str, like: &ConnectionInfo) -> Option<ConnectionInfo> {
    let (host, port) = address.rsplit_once(':')?;
    let (host, port) = (host.to_owned(), port.parse().ok()?);
    let place = match like.addr() {
        ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(host, port),
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            let (insecure, tls_params) = (*insecure, tls_params.clone());
            ConnectionAddr::TcpTls { host, port, insecure, tls_params }
        }
        _ => return None,
    };
    Some(like.clone().set_addr(place))
}

/// Who signs in at the servers, and which database is used there.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<u32>,
}

impl Credentials {
    /// Adds what an address does not say itself.
    pub(super) fn join(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        let mut settings: RedisConnectionInfo = info.redis_settings().clone();
        let twice = |what: &str| Err(Error::Config(format!("redis {what}: is in the url as well")));
        if let Some(username) = &self.username {
            if settings.username().is_some() {
                return twice("username");
            }
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            if settings.password().is_some() {
                return twice("password");
            }
            settings = settings.set_password(password);
        }
        if let Some(database) = self.database {
            if settings.db() != 0 {
                return twice("database");
            }
            settings = settings.set_db(database.into());
        }
        if settings.username().is_some() && settings.password().is_none() {
            return Err(Error::Config("redis username: needs a password".to_owned()));
        }
        Ok(info.set_redis_settings(settings))
    }
}
