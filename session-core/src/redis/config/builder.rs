//! Setting up a [`Redis`].

#[cfg(feature = "redis-tls")]
use std::path::PathBuf;
use std::{fmt, sync::Arc, time::Duration};

#[cfg(feature = "redis-tls")]
use super::tls::Tls;
use super::{
    super::{
        client::{Client, PushListener},
        handle::Redis,
        storage::NearCache,
    },
    credentials::Credentials,
    deployment::{ConnectionSettings, Deployment},
};
use crate::{Error, Result};

impl Redis {
    /// Starts with the URL of a single server:
    /// `redis://[[user]:password@]host[:port][/database]`, or `rediss://` with TLS.
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
    /// and the servers are connected to with TLS.
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
    deployment: Deployment,
    connections: ConnectionSettings,
    prefix: String,
    response_timeout: Duration,
    wait_replicas: usize,
    near_cache: usize,
}

impl RedisBuilder {
    fn new(deployment: Deployment) -> Self {
        let connections = ConnectionSettings {
            credentials: Credentials::default(),
            #[cfg(feature = "redis-tls")]
            tls: Tls::default(),
            connect_timeout: Duration::from_secs(1),
        };
        Self {
            deployment,
            connections,
            prefix: "session:".to_owned(),
            response_timeout: Duration::from_secs(1),
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
        self.connections.credentials.password = Some(password.into());
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

    /// Sets the PEM file with the certificates of the authorities to trust. Default: the authorities
    /// that browsers trust. Only for `rediss://` addresses.
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
    /// An empty prefix is GoFrame's default, so it shares sessions with such a server. With an empty
    /// prefix any key can be requested as a session id, so store nothing else in the database.
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

    /// Sets the longest time an attempt to connect may take. Default: 1 s.
    ///
    /// Attempts never take longer than 0.5 s, so that a server that is back is noticed within a
    /// second.
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
        self.connections.connect_timeout = timeout;
        self
    }

    /// Sets the longest time an operation of a storage may take, however many commands it sends.
    /// Default: 1 s.
    ///
    /// A [`Manager`](crate::Manager) uses it as its own timeout unless it is given another.
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
        self.response_timeout = timeout;
        self
    }

    /// Sets how many replicas must have a write before it is acknowledged. Default: 0.
    ///
    /// Redis replicates after it has answered, so writes that no replica has received are lost when
    /// a master dies and a replica is promoted. With 1 or more, a write succeeds only after that many
    /// replicas have confirmed it (`WAIT`), and fails if they do not confirm it in time; after a
    /// failure the write may or may not have happened. Each write costs another round trip, shared
    /// by the writes of a thread, and each thread opens another connection to each server. Writes
    /// that only extend a time to live are not confirmed. A second election soon after the first may
    /// still promote a replica with fewer writes; Redis does not prevent that.
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

    /// Checks the settings and reads the files they name. Does not connect.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if an address is not valid, a file cannot be used, a timeout is zero, or
    /// settings contradict each other.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Error, Redis};
    ///
    /// assert!(Redis::builder("redis://no-such-host.invalid").build().is_ok(), "it is not asked yet");
    /// assert!(matches!(Redis::builder("127.0.0.1:6379").build(), Err(Error::Config(_))));
    /// ```
    pub fn build(self) -> Result<Redis> {
        if self.connections.connect_timeout.is_zero() || self.response_timeout.is_zero() {
            return Err(Error::Config("redis timeouts must be longer than zero".to_owned()));
        }
        let near_cache = (self.near_cache > 0)
            .then(|| Arc::new(NearCache::new(self.prefix.clone(), self.near_cache)));
        let listener = near_cache.clone().map(|cache| cache as Arc<dyn PushListener>);
        let servers = self.deployment.servers(&self.connections, listener)?;
        if self.prefix.is_empty() {
            log::warn!(
                "redis {servers}: without a prefix any key can be requested as a session id"
            );
        }
        let client = Client::new(servers, self.response_timeout, self.wait_replicas);
        Ok(Redis::new(client, near_cache, self.prefix))
    }
}

/// Omits the addresses, which may contain a password.
impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder")
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connections.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("wait_replicas", &self.wait_replicas)
            .field("near_cache", &self.near_cache)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(builder: RedisBuilder) -> String {
        match builder.build() {
            Err(Error::Config(problem)) => problem,
            other => panic!("{other:?} instead of a problem"),
        }
    }

    #[test]
    fn g12_debug_shows_no_password() {
        for builder in [
            Redis::builder("redis://user:secret@localhost:1/2"),
            Redis::sentinel(["redis://user:secret@localhost:1"], "shop").password("secret"),
            Redis::cluster(["redis://localhost:1"]).password("secret"),
        ] {
            let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
            assert!(!shown.contains("secret") && shown.contains("localhost:1"), "{shown}");
        }
    }

    #[test]
    fn settings_that_cannot_work_are_refused() {
        let bad = ["", "localhost", "http://localhost", "redis://", "redis://:secret@h:port"];
        for url in bad {
            for builder in
                [Redis::builder(url), Redis::sentinel([url], "shop"), Redis::cluster([url])]
            {
                let problem = refusal(builder);
                assert!(!problem.contains("secret"), "{problem}");
            }
        }
        let redis = Redis::builder("redis://localhost");
        refusal(redis.clone().response_timeout(Duration::ZERO));
        refusal(redis.connect_timeout(Duration::ZERO));
    }

    #[test]
    fn settings_that_contradict_each_other_are_refused() {
        let (plain, none) = ("redis://h:1", [""; 0]);
        for (builder, expected) in [
            (Redis::builder("redis://u:p@h:1").password("q"), "redis password: is in the url"),
            (Redis::builder("redis://u:p@h:1").username("v"), "redis username: is in the url"),
            (Redis::builder("redis://h:1/2").database(3), "redis database: is in the url"),
            (Redis::builder(plain).username("u"), "redis username: needs a password"),
            (Redis::sentinel(none, "shop"), "redis sentinels: at least one address"),
            (Redis::sentinel([plain], ""), "redis master: must have a name"),
            (Redis::sentinel(["redis://h:1/2"], "shop"), "redis sentinels: there are no databases"),
            (Redis::sentinel(["unix:///s"], "shop"), "redis sentinels: sockets"),
            (Redis::cluster(none), "redis cluster: at least one address"),
            (Redis::cluster(["redis://:p@h:1"]), "redis cluster: user and password belong beside"),
            (Redis::cluster(["redis://h:1/2"]), "redis cluster: there are no databases"),
            (Redis::cluster([plain]).database(0), "redis database: a cluster has none"),
        ] {
            let problem = refusal(builder);
            assert!(problem.starts_with(expected), "{problem}");
        }
        assert!(Redis::builder("redis://h:1/0").database(3).build().is_ok());
        assert!(Redis::sentinel(["redis://:p@h:1"], "shop").password("q").build().is_ok());
    }

    #[test]
    #[cfg(not(feature = "redis-tls"))]
    fn tls_is_refused_where_it_is_not_built_in() {
        let problem = refusal(Redis::builder("rediss://localhost"));
        assert_eq!(problem, "redis url: TLS needs the cargo feature `redis-tls`");
    }
}
