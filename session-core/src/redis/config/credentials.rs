//! The credentials for all servers.

use std::{fs, path::Path, sync::Arc};

use deadpool_redis::redis::RedisConnectionInfo;

use super::super::client::{Endpoint, PasswordSource};
use crate::{Error, Result};

/// Which user signs in at the servers, and to which database.
#[derive(Clone, Default)]
pub(super) struct Credentials {
    pub(super) username: Option<String>,
    pub(super) password: Option<Password>,
    pub(super) database: Option<u32>,
}

#[derive(Clone)]
pub(super) enum Password {
    Fixed(String),
    /// Asked for at each attempt to connect.
    Changing(PasswordSource),
}

impl Credentials {
    /// Adds what an address does not say itself.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the address says it too, or a username has no password.
    pub(super) fn add_to(&self, endpoint: Endpoint) -> Result<Endpoint> {
        let Endpoint { info, mut password, tls_name } = endpoint;
        let mut settings: RedisConnectionInfo = info.redis_settings().clone();
        let twice = |what: &str| Err(Error::Config(format!("redis {what}: is in the url as well")));
        if let Some(username) = &self.username {
            if settings.username().is_some() {
                return twice("username");
            }
            settings = settings.set_username(username);
        }
        if self.password.is_some() && settings.password().is_some() {
            return twice("password");
        }
        match &self.password {
            Some(Password::Fixed(text)) => settings = settings.set_password(text),
            Some(Password::Changing(source)) => password = Some(source.clone()),
            None => {}
        }
        if let Some(database) = self.database {
            if settings.db() != 0 {
                return twice("database");
            }
            settings = settings.set_db(database.into());
        }
        let has_password = settings.password().is_some() || password.is_some();
        if settings.username().is_some() && !has_password {
            return Err(Error::Config("redis username: needs a password".to_owned()));
        }
        Ok(Endpoint { info: info.set_redis_settings(settings), password, tls_name })
    }
}

/// Returns a source that reads a file, without the line break at its end. The file is read once at
/// once, to check it.
///
/// # Errors
///
/// [`Error::Config`] if the file cannot be read or is empty.
pub(super) fn from_file(file: &Path) -> Result<PasswordSource> {
    let file = file.to_owned();
    // A small local file: reading it blocks no longer than a log line does.
    let read = move || {
        let shown = file.display();
        let text = fs::read_to_string(&file).map_err(|error| format!("{shown}: {error}"))?;
        let password = text.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            return Err(format!("{shown} is empty"));
        }
        Ok(password.to_owned())
    };
    read().map_err(|problem| Error::Config(format!("redis password_file: {problem}")))?;
    let named = move || read().map_err(|problem| format!("the password file {problem}"));
    Ok(Arc::new(named))
}
