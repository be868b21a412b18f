//! Addresses that servers name.

use deadpool_redis::redis::{ConnectionAddr, ConnectionInfo};

/// Returns how to connect to `address` with the settings of `like`. `None` if the address is not
/// `host:port`.
pub(crate) fn connection_info_at(address: &str, like: &ConnectionInfo) -> Option<ConnectionInfo> {
    let (host, port) = address.rsplit_once(':')?;
    let (host, port) = (host.to_owned(), port.parse().ok()?);
    let addr = match like.addr() {
        ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(host, port),
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            let (insecure, tls_params) = (*insecure, tls_params.clone());
            ConnectionAddr::TcpTls { host, port, insecure, tls_params }
        }
        _ => return None,
    };
    Some(like.clone().set_addr(addr))
}
