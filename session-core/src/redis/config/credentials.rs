//! The credentials for all servers.

use deadpool_redis::redis::{ConnectionInfo, RedisConnectionInfo};

use crate::{Error, Result};

/// Which user signs in at the servers, and to which database.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<u32>,
}

impl Credentials {
    /// Adds what an address does not say itself.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the address says it too, or a username has no password.
    pub(super) fn add_to(&self, info: ConnectionInfo) -> Result<ConnectionInfo> {
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
