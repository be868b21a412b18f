//! How to connect to one server.

use std::{fmt, sync::Arc};

use deadpool_redis::redis::{
    ConnectionAddr, ConnectionInfo, ProtocolVersion, RedisFuture, RedisResult, io::AsyncDNSResolver,
};
use tokio::net::lookup_host;

/// Returns the password to sign in with now, or why there is none.
pub(crate) type PasswordSource = Arc<dyn Fn() -> Result<String, String> + Send + Sync>;

/// An address, and how to connect to it.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) info: ConnectionInfo,
    /// Asked before each attempt to connect.
    pub(crate) password: Option<PasswordSource>,
    /// The name that the certificate must be for, if it is not the host of the address.
    pub(crate) tls_name: Option<String>,
}

impl Endpoint {
    pub(crate) fn new(info: ConnectionInfo) -> Self {
        Self { info, password: None, tls_name: None }
    }

    /// Returns another address to connect to in the same way. `None` if it is not `host:port`.
    pub(crate) fn at(&self, address: &str) -> Option<Self> {
        let (host, port) = address.rsplit_once(':')?;
        let (host, port) = (host.to_owned(), port.parse().ok()?);
        let addr = match self.info.addr() {
            ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(host, port),
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                let (insecure, tls_params) = (*insecure, tls_params.clone());
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            _ => return None,
        };
        Some(Self { info: self.info.clone().set_addr(addr), ..self.clone() })
    }

    /// Returns the number of the database.
    pub(super) fn database(&self) -> i64 {
        self.info.redis_settings().db()
    }

    /// Returns the settings for one attempt to connect, with the password as it is now.
    ///
    /// With a name for the certificate, that name replaces the host, and the resolver leads back.
    pub(super) fn dialled(
        &self,
        protocol: ProtocolVersion,
    ) -> Result<(ConnectionInfo, Option<Resolver>), String> {
        // The greeting is one command, because the library does not say what a server has answered
        // that closes the connection in the middle of several.
        let settings = self.info.redis_settings().clone().set_db(0).set_skip_set_lib_name();
        let mut settings = settings.set_protocol(protocol);
        if let Some(password) = &self.password {
            settings = settings.set_password(password()?);
        }
        let info = self.info.clone().set_redis_settings(settings);
        let (Some(name), ConnectionAddr::TcpTls { host, port, insecure, tls_params }) =
            (&self.tls_name, info.addr())
        else {
            return Ok((info, None));
        };
        let resolver = Resolver { host: host.clone() };
        let (insecure, tls_params) = (*insecure, tls_params.clone());
        let addr = ConnectionAddr::TcpTls { host: name.clone(), port: *port, insecure, tls_params };
        Ok((info.clone().set_addr(addr), Some(resolver)))
    }
}

/// Shows the address, without a password.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info.addr().fmt(f)
    }
}

/// Resolves one host, whatever name is asked for.
pub(super) struct Resolver {
    host: String,
}

type Addresses<'a> = Box<dyn Iterator<Item = std::net::SocketAddr> + Send + 'a>;

impl AsyncDNSResolver for Resolver {
    fn resolve<'a, 'b: 'a>(&'a self, _: &'b str, port: u16) -> RedisFuture<'a, Addresses<'a>> {
        Box::pin(async move {
            let addresses = lookup_host((self.host.as_str(), port)).await?;
            RedisResult::Ok(Box::new(addresses.collect::<Vec<_>>().into_iter()) as Addresses<'a>)
        })
    }
}
