//! Building a [`Redis`] out of its settings, which are checked before.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use super::{
    super::{
        client::{Client, Limits, PushListener},
        handle::Redis,
        storage::NearCache,
    },
    builder::RedisBuilder,
    credentials::{self, Password},
};
use crate::{Error, Result};

/// Longer timeouts would keep requests waiting that nobody waits for.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_secs(3600);
/// The smallest near cache whose parts hold a session each.
const SMALLEST_NEAR_CACHE: usize = 16 * 1024;

impl RedisBuilder {
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
    pub fn build(mut self) -> Result<Redis> {
        self.check()?;
        if let Some(file) = self.password_file.take() {
            let source = credentials::from_file(&file)?;
            self.connections.credentials.password = Some(Password::Changing(source));
        }
        self.share_connections()?;
        let near_cache = (self.near_cache > 0)
            .then(|| Arc::new(NearCache::new(self.prefix.clone(), self.near_cache)));
        let listener = near_cache.clone().map(|cache| cache as Arc<dyn PushListener>);
        let servers = self.deployment.servers(&self.connections, listener)?;
        if self.prefix.is_empty() {
            log::warn!(
                "redis {servers}: without a prefix any key can be requested as a session id"
            );
        }
        let client = Client::new(servers, self.connections.limits, self.wait_replicas);
        Ok(Redis::new(client, near_cache, self.prefix))
    }

    fn check(&self) -> Result<()> {
        let refused = |problem: &str| Err(Error::Config(problem.to_owned()));
        let Limits { connect_timeout, response_timeout, .. } = self.connections.limits;
        if ![connect_timeout, response_timeout].iter().all(|timeout| TIMEOUTS.contains(timeout)) {
            return refused("redis timeouts must be from 1 ms to 1 hour");
        }
        if (1..SMALLEST_NEAR_CACHE).contains(&self.near_cache) {
            return refused("redis near_cache: must be 0 or at least 16 KiB");
        }
        if self.password_file.is_some() && self.connections.credentials.password.is_some() {
            return refused("redis password: is in the file as well");
        }
        Ok(())
    }

    /// Divides the connections that may be open between reads and writes that replicas confirm.
    fn share_connections(&mut self) -> Result<()> {
        let Some(limit) = self.max_connections else { return Ok(()) };
        let confirmed = if self.wait_replicas > 0 { limit / 2 } else { 0 };
        if limit == 0 || (self.wait_replicas > 0 && confirmed == 0) {
            let problem = "redis max_connections: must be at least 1, with wait_replicas 2";
            return Err(Error::Config(problem.to_owned()));
        }
        self.connections.limits.main_connections = Some(limit - confirmed);
        self.connections.limits.confirmed_writes_connections = Some(confirmed);
        Ok(())
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
        for timeout in [Duration::ZERO, Duration::from_micros(999), Duration::MAX] {
            refusal(redis.clone().response_timeout(timeout));
            refusal(redis.clone().connect_timeout(timeout));
        }
        refusal(redis.clone().max_connections(0));
        refusal(redis.clone().max_connections(1).wait_replicas(1));
        refusal(redis.clone().near_cache(100));
        refusal(redis.clone().password_file("/no/such/file"));
        refusal(redis.clone().servers_tls(true));
        let file = tempfile::NamedTempFile::new().unwrap();
        let problem = refusal(redis.password_file(file.path()));
        assert!(problem.ends_with("is empty"), "{problem}");
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
