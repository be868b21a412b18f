//! The settings of a [`Redis`].

#[cfg(feature = "redis-tls")]
use std::path::PathBuf;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use deadpool_redis::redis::ConnectionInfo;
use tokio::sync::watch;

#[cfg(feature = "redis-tls")]
use super::tls::Tls;
use super::{
    Redis, Shared, Topology,
    address::{self, Credentials},
    cluster::Cluster,
    large::Large,
    near::NearCache,
    sentinel::Sentinels,
    server::Server,
    supervisor::Target,
};
use crate::{Error, Result};

/// Settings of a [`Redis`].
#[derive(Clone)]
#[must_use]
pub struct RedisBuilder {
    place: Place,
    credentials: Credentials,
    #[cfg(feature = "redis-tls")]
    tls: Tls,
    prefix: String,
    connect_timeout: Duration,
    response_timeout: Duration,
    wait_replicas: usize,
    near_cache: usize,
}

#[derive(Clone)]
pub(super) enum Place {
    Single(String),
    Sentinel { urls: Vec<String>, master: String },
    Cluster(Vec<String>),
}

impl RedisBuilder {
    pub(super) fn at(place: Place) -> Self {
        Self {
            place,
            credentials: Credentials::default(),
            #[cfg(feature = "redis-tls")]
            tls: Tls::default(),
            prefix: "session:".to_owned(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            wait_replicas: 0,
            near_cache: 0,
        }
    }

    /// Sets the user to sign in as; Redis's `default` unless said otherwise. Needs a password.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://10.0.0.1").username("shop").password("secret").build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.credentials.username = Some(username.into());
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
        self.credentials.password = Some(password.into());
        self
    }

    /// Sets the number of the database; 0 unless said otherwise. A cluster has no other.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::Redis;
    /// let redis = Redis::builder("redis://127.0.0.1").database(2).build()?;
    /// # Ok::<(), session_core::Error>(())
    /// ```
    pub fn database(mut self, number: u32) -> Self {
        self.credentials.database = Some(number);
        self
    }

    /// Sets the file with the certificates of those who vouch for the servers, in PEM form; the
    /// authorities that browsers trust unless said otherwise. For `rediss://` addresses.
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
        self.tls.ca = Some(file.into());
        self
    }

    /// Sets the files with the certificate and the key to show to the servers, in PEM form; none
    /// unless said otherwise. For `rediss://` addresses.
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
        self.tls.client = Some((cert.into(), key.into()));
        self
    }

    /// Sets what stands before the id in every key; `session:` unless said otherwise.
    ///
    /// An empty prefix shares the sessions of a GoFrame server that has none. Every key of the
    /// database is then a session's for the asking, so keep nothing else in it.
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

    /// Bounds an attempt to connect; a second unless said otherwise, and never more than half a
    /// second in effect, so that a server that is back is noticed within a second.
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
        self.connect_timeout = timeout;
        self
    }

    /// Bounds a whole operation of a storage, however many commands it takes; a second unless
    /// said otherwise.
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

    /// Sets how many replicas have to have a write before it is acknowledged; 0 unless said
    /// otherwise.
    ///
    /// Redis replicates after it has answered: writes that no replica had received yet are lost
    /// when a master dies and a replica takes its place. With `1` and more, a write is answered
    /// only after so many replicas have said that they have it (`WAIT`), and fails if they do not
    /// say so in time; like after every failure, it may have happened. Costs each write another
    /// round trip, which those of a thread share, and each thread another connection to each
    /// server. Extending a time to live is not waited for. If another election follows at once, it
    /// may choose a replica that has less; that is up to Redis.
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

    /// Sets how many bytes of sessions a [`RedisKeyValueStorage`](crate::RedisKeyValueStorage)
    /// may keep in this process, so that reading a session again makes no round trip; 0, which is
    /// none, unless said otherwise.
    ///
    /// Redis itself announces what changes (RESP3, `CLIENT TRACKING`). Within this process a
    /// write is seen as soon as it is acknowledged. Elsewhere a read may lag behind by the
    /// announcement in flight, and by a second at most where none comes: over a connection that
    /// is half dead, at an expiry, and after `SWAPDB`, which announces nothing.
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

    /// Checks the settings and reads the files they name. Does not connect yet.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if an address is not one of Redis, a file cannot be used, a timeout is
    /// zero, or settings contradict each other.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Error, Redis};
    ///
    /// assert!(Redis::builder("redis://no-such-host.invalid").build().is_ok(), "nobody is asked yet");
    /// assert!(matches!(Redis::builder("127.0.0.1:6379").build(), Err(Error::Config(_))));
    /// ```
    pub fn build(self) -> Result<Redis> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);

        if self.connect_timeout.is_zero() || self.response_timeout.is_zero() {
            return Err(Error::Config("redis timeouts must be longer than zero".to_owned()));
        }
        let near = (self.near_cache > 0)
            .then(|| Arc::new(NearCache::new(self.prefix.clone(), self.near_cache)));
        let topology = self.topology(near.clone())?;
        if self.prefix.is_empty() {
            log::warn!(
                "redis {topology}: no prefix, so every key in it may be asked for as a session"
            );
        }
        Ok(Redis(Arc::new(Shared {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            topology,
            near,
            prefix: self.prefix,
            response_timeout: self.response_timeout,
            wait_replicas: self.wait_replicas,
            large: Large::default(),
            owned: watch::Sender::new(()),
        })))
    }

    fn topology(&self, near: Option<Arc<NearCache>>) -> Result<Topology> {
        let one = |server| Arc::new(Target::new(server, self.connect_timeout, near.clone()));
        Ok(match &self.place {
            Place::Single(url) => {
                let info = self.credentials.join(address::parse("redis url", url)?)?;
                Topology::One(one(Server::At(Box::new(self.secured(info)?))))
            }
            Place::Sentinel { urls, master } => {
                if master.is_empty() {
                    return Err(Error::Config("redis master: must have a name".to_owned()));
                }
                let infos = self.list("redis sentinels", urls)?;
                // What a sentinel's own address says is for itself alone.
                let servers = infos[0].clone().set_redis_settings(address::resp3());
                let servers = self.credentials.join(servers)?;
                let master = master.clone();
                Topology::One(one(Server::Named(Box::new(Sentinels { infos, master, servers }))))
            }
            Place::Cluster(urls) => {
                if self.credentials.database.is_some() {
                    return Err(Error::Config("redis database: a cluster has none".to_owned()));
                }
                let seeds = self.list("redis cluster", urls)?;
                if seeds.iter().any(|seed| seed.redis_settings().password().is_some()) {
                    let apart = "redis cluster: user and password belong beside the addresses";
                    return Err(Error::Config(apart.to_owned()));
                }
                let seeds = seeds.into_iter().map(|seed| self.credentials.join(seed));
                let seeds = seeds.collect::<Result<_>>()?;
                Topology::Cluster(Arc::new(Cluster::new(seeds, self.connect_timeout, near)))
            }
        })
    }

    fn list(&self, what: &str, urls: &[String]) -> Result<Vec<ConnectionInfo>> {
        address::parse_list(what, urls)?.into_iter().map(|info| self.secured(info)).collect()
    }

    /// Adds whom to trust, and what to show.
    #[cfg(feature = "redis-tls")]
    fn secured(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        self.tls.secure(info)
    }

    #[cfg(not(feature = "redis-tls"))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "as with the feature")]
    fn secured(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
        Ok(info)
    }
}

/// Leaves out the addresses, which may hold a password.
impl fmt::Debug for RedisBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBuilder")
            .field("prefix", &self.prefix)
            .field("connect_timeout", &self.connect_timeout)
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
