//! The addresses of servers.

use std::time::Duration;

use deadpool_redis::redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    io::tcp::socket2::TcpKeepalive,
};

use super::super::client::failure;
use crate::{Error, Result};

/// The idle time before the first keepalive probe. Load balancers forget connections after some
/// minutes.
const IDLE: Duration = Duration::from_secs(30);
const BETWEEN_PROBES: Duration = Duration::from_secs(5);

/// Parses a URL. `what` names the setting in errors.
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
    // Only with RESP3 can the server send push messages, and the library report a lost connection.
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    // Nagle's algorithm would delay a request until the one before it is acknowledged.
    let tcp = info.tcp_settings().clone().set_nodelay(true);
    Ok(info.set_redis_settings(settings).set_tcp_settings(tcp))
}

/// Sets what the system does with connections that nothing arrives over.
///
/// Keepalive probes keep load balancers from forgetting idle connections, which they do after some
/// minutes, and find out that a peer is gone. The user timeout ends a connection whose data the
/// peer does not acknowledge.
pub(super) fn with_keepalive(info: ConnectionInfo, user_timeout: Duration) -> ConnectionInfo {
    let keepalive = TcpKeepalive::new().with_time(IDLE).with_interval(BETWEEN_PROBES);
    let tcp = info.tcp_settings().clone().set_keepalive(keepalive);
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let tcp = tcp.set_user_timeout(user_timeout);
    #[cfg(not(any(target_os = "android", target_os = "fuchsia", target_os = "linux")))]
    let _ = user_timeout;
    info.set_tcp_settings(tcp)
}

/// Parses the URLs of servers that name other servers. All must use TLS or none, because the others
/// are connected to in the same way.
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

/// Returns the settings for a server that has none of its own.
pub(super) fn resp3() -> RedisConnectionInfo {
    RedisConnectionInfo::default().set_protocol(ProtocolVersion::RESP3)
}
