//! Setting up a [`Redis`].

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

#[cfg(feature = "redis-tls")]
use super::tls::Tls;
use super::{
    super::{client::Limits, handle::Redis},
    credentials::{Credentials, Password},
    deployment::{ConnectionSettings, Deployment},
};

impl Redis {
    /// Starts with the URL of a single server:
    /// `redis://[[user]:password@]host[:port][/database]`, `rediss://` with TLS, or
    /// `unix:///path/to/socket[?db=database&user=user&pass=password]`.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Redis, RedisHashTableStorage, RedisKeyValueStorage};
    ///
    /// let redis = Redis::builder("redis://127.0.0.1:6379/0").build()?;
    /// // One server, both kinds of storage.
    /// let small = RedisKeyValueStorage::new(redis.clone());
    /// let large = RedisHashTableStorage::new(redis);
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn builder(url: impl Into<String>) -> RedisBuilder {
        RedisBuilder::new(Deployment::Single(url.into()))
    }

    /// Starts with the URLs of sentinels and the name of the master they monitor.
    ///
    /// User and password in a URL are for that sentinel only. With `rediss://`, both the sentinels
    /// and the servers are connected to with TLS, unless [`servers_tls`](RedisBuilder::servers_tls)
    /// says otherwise.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Redis;
    ///
    /// # fn main() -> session_core::Result<()> {
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"];
    /// let redis = Redis::sentinel(sentinels, "mymaster").password("secret").build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn sentinel(
        urls: impl IntoIterator<Item = impl Into<String>>,
        master: impl Into<String>,
    ) -> RedisBuilder {
        let urls = urls.into_iter().map(Into::into).collect();
        RedisBuilder::new(Deployment::Sentinel { urls, master: master.into() })
    }

    /// Starts with the URLs of some nodes of a cluster, which name the others.
    ///
    /// With `rediss://`, all nodes are connected to with TLS.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Redis;
    ///
    /// # fn main() -> session_core::Result<()> {
    /// let redis = Redis::cluster(["redis://10.0.0.1:7000", "redis://10.0.0.2:7000"]).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn cluster(urls: impl IntoIterator<Item = impl Into<String>>) -> RedisBuilder {
        RedisBuilder::new(Deployment::Cluster(urls.into_iter().map(Into::into).collect()))
    }
}

/// Settings of a [`Redis`].
#[derive(Clone)]
#[must_use = "nothing is set up before `build`"]
pub struct RedisBuilder {
    pub(super) deployment: Deployment,
    pub(super) connections: ConnectionSettings,
    pub(super) password_file: Option<PathBuf>,
    pub(super) prefix: String,
    pub(super) max_connections: Option<usize>,
    pub(super) wait_replicas: usize,
    pub(super) near_cache: usize,
}

impl RedisBuilder {
    fn new(deployment: Deployment) -> Self {
        let connections = ConnectionSettings {
            credentials: Credentials::default(),
            #[cfg(feature = "redis-tls")]
            tls: Tls::default(),
            servers_tls: None,
            limits: Limits {
                connect_timeout: Duration::from_secs(1),
                response_timeout: Duration::from_secs(1),
                main_connections: None,
                confirmed_writes_connections: None,
            },
        };
        Self {
            deployment,
            connections,
            password_file: None,
            prefix: "session:".to_owned(),
            max_connections: None,
            wait_replicas: 0,
            near_cache: 0,
        }
    }

    /// Sets the user to sign in as. Default: Redis's own user `default`. Needs a password.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://10.0.0.1").username("shop").password("secret").build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.connections.credentials.username = Some(username.into());
        self
    }

    /// Sets the password to sign in with.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://10.0.0.1").password("secret").build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.connections.credentials.password = Some(Password::Fixed(password.into()));
        self
    }

    /// Sets the file with the password to sign in with. A line break at its end does not count.
    ///
    /// The file is read at each attempt to connect, so a running server follows a changed password:
    /// change it in Redis (whose users may have several passwords), then in the file. Connections
    /// that are open stay.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://10.0.0.1").password_file("/run/secrets/redis").build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn password_file(mut self, file: impl Into<PathBuf>) -> Self {
        self.password_file = Some(file.into());
        self
    }

    /// Sets a function that returns the password to sign in with, for tokens that expire.
    ///
    /// Called at each attempt to connect, on a thread that serves requests, so it must not block.
    /// If it fails, the attempt fails with the error's [kind](io::Error::kind).
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// # fn current_token() -> std::io::Result<String> { Ok("token".to_owned()) }
    /// let redis = Redis::builder("redis://10.0.0.1").password_from(current_token).build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn password_from(
        mut self,
        source: impl Fn() -> io::Result<String> + Send + Sync + 'static,
    ) -> Self {
        let source = move || source().map_err(|error| format!("no password: {}", error.kind()));
        self.connections.credentials.password = Some(Password::Changing(Arc::new(source)));
        self
    }

    /// Sets the number of the database. Default: 0. A cluster has no other.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://127.0.0.1").database(2).build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn database(mut self, number: u32) -> Self {
        self.connections.credentials.database = Some(number);
        self
    }

    /// Sets the PEM file with the certificates of the authorities to trust. Default: the
    /// authorities that browsers trust. Only for `rediss://` addresses.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use session_core::Redis;
    /// let redis = Redis::builder("rediss://10.0.0.1").tls_ca("/etc/redis/ca.pem").build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[cfg(feature = "redis-tls")]
    pub fn tls_ca(mut self, file: impl Into<PathBuf>) -> Self {
        self.connections.tls.ca = Some(file.into());
        self
    }

    /// Trusts the authorities that this system trusts, instead of those that browsers trust. Only
    /// for `rediss://` addresses.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use session_core::Redis;
    /// let redis = Redis::builder("rediss://redis.example.com").tls_system_roots(true).build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[cfg(feature = "redis-tls")]
    pub fn tls_system_roots(mut self, is_wanted: bool) -> Self {
        self.connections.tls.system_roots = is_wanted;
        self
    }

    /// Sets the name that the certificates of all servers must be for. Default: the host of each
    /// address.
    ///
    /// For servers that announce addresses which are not in their certificates, as behind sentinels
    /// and in clusters. Only for `rediss://` addresses.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let nodes = ["rediss://10.0.0.1:7000", "rediss://10.0.0.2:7000"];
    /// let redis = Redis::cluster(nodes).tls_server_name("redis.example.com").build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[cfg(feature = "redis-tls")]
    pub fn tls_server_name(mut self, name: impl Into<String>) -> Self {
        self.connections.tls.server_name = Some(name.into());
        self
    }

    /// Sets whether the servers that sentinels name speak TLS. Default: like the sentinels.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"];
    /// let redis = Redis::sentinel(sentinels, "mymaster").servers_tls(false).build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn servers_tls(mut self, is_spoken: bool) -> Self {
        self.connections.servers_tls = Some(is_spoken);
        self
    }

    /// Sets how many connections to each server may be open at once. Default: one for each thread,
    /// and with [`wait_replicas`](Self::wait_replicas) two.
    ///
    /// For servers that accept few clients (`maxclients`). Beyond the limit, threads share the
    /// connections of others. At least 1, with `wait_replicas` 2.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://127.0.0.1").max_connections(4).build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn max_connections(mut self, number: usize) -> Self {
        self.max_connections = Some(number);
        self
    }

    /// Sets the PEM files with the client certificate and its key. Default: no client certificate.
    /// Only for `rediss://` addresses.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use session_core::Redis;
    /// let redis = Redis::builder("rediss://10.0.0.1")
    ///     .tls_client("/etc/shop/redis.pem", "/etc/shop/redis.key")
    ///     .build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[cfg(feature = "redis-tls")]
    pub fn tls_client(mut self, cert: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Self {
        self.connections.tls.client = Some((cert.into(), key.into()));
        self
    }

    /// Sets the prefix of every key, which the session's id follows. Default: `session:`.
    ///
    /// An empty prefix is GoFrame's default, so it shares sessions with such a server. With an
    /// empty prefix any key can be requested as a session id, so store nothing else in the
    /// database.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://127.0.0.1").prefix("shop:").build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Sets the longest time an attempt to connect may take, with TLS, signing in and the first
    /// `PING`. Default: 1 s. From 1 ms to 1 hour.
    ///
    /// An attempt that hangs does not delay the next one, so with up to 5 s a server that is back
    /// is noticed within a second.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// use std::time::Duration;
    ///
    /// let redis = Redis::builder("redis://127.0.0.1").connect_timeout(Duration::from_millis(300));
    /// # redis.build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connections.limits.connect_timeout = timeout;
        self
    }

    /// Sets the longest time an operation of a storage may take, however many commands it sends.
    /// Default: 1 s. From 1 ms to 1 hour.
    ///
    /// A read that is not answered within a quarter of it is sent again if its connection turns out
    /// to be dead. A [`Manager`](crate::Manager) uses it as its own timeout unless it is given
    /// another.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// use std::time::Duration;
    ///
    /// let redis = Redis::builder("redis://127.0.0.1").response_timeout(Duration::from_millis(300));
    /// # redis.build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.connections.limits.response_timeout = timeout;
        self
    }

    /// Sets how many replicas must have a write before it is acknowledged. Default: 0.
    ///
    /// Redis replicates after it has answered, so writes that no replica has received are lost when
    /// a master dies and a replica is promoted. With 1 or more, a write succeeds only after that
    /// many replicas have confirmed it (`WAIT`), and fails if they do not confirm it in time; after
    /// a failure the write may or may not have happened. Each write costs another round trip,
    /// shared by the writes of a thread, and each thread opens another connection to each server.
    /// Writes that only extend a time to live are not confirmed. A second election soon after the
    /// first may still promote a replica with fewer writes; Redis does not prevent that.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let sentinels = ["redis://10.0.0.1:26379", "redis://10.0.0.2:26379"];
    /// let redis = Redis::sentinel(sentinels, "mymaster").wait_replicas(1).build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn wait_replicas(mut self, replicas: usize) -> Self {
        self.wait_replicas = replicas;
        self
    }

    /// Sets how many bytes of sessions a [`RedisKeyValueStorage`](crate::RedisKeyValueStorage) may
    /// cache in this process, so that reading a session again makes no round trip. Default: 0, no
    /// cache.
    ///
    /// Redis announces changes (RESP3, `CLIENT TRACKING`). A write made in this process is visible
    /// here as soon as it is acknowledged. A write made elsewhere is visible when its announcement
    /// arrives, and after one second at the latest where none arrives: over a half-open connection,
    /// at an expiry, and after `SWAPDB`, which is not announced.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://127.0.0.1").near_cache(16 << 20).build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn near_cache(mut self, bytes: usize) -> Self {
        self.near_cache = bytes;
        self
    }
}

/// Omits the addresses, which may contain a password.
impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder")
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connections.limits.connect_timeout)
            .field("response_timeout", &self.connections.limits.response_timeout)
            .field("max_connections", &self.max_connections)
            .field("wait_replicas", &self.wait_replicas)
            .field("near_cache", &self.near_cache)
            .finish_non_exhaustive()
    }
}
