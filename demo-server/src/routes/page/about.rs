//! The facts about the server that the page shows to every visitor.

use std::time::Duration;

use time::OffsetDateTime;

use super::store_location::StoreLocation;
use crate::{
    loopback::is_loopback,
    settings::{self, Backend, Settings},
};

pub(crate) struct About {
    pub(super) backend: Backend,
    /// The name of the session cookie, unless cookies are off.
    pub(super) cookie: Option<String>,
    /// The name of the header that may carry the id.
    pub(super) header: Option<String>,
    pub(super) max_age: Duration,
    pub(super) started: OffsetDateTime,
    pub(super) location: StoreLocation,
    /// Whether visitors see the whole id of their own session.
    ///
    /// Anyone who knows an id has the session, so the cookie hides it from scripts, and a page on
    /// the internet must not reveal it. A command that edits the session needs the id, though. A
    /// server that listens on this machine only shows it: its visitors can read the store anyway.
    pub(super) shows_ids: bool,
}

impl About {
    pub(crate) fn new(settings: &Settings) -> Self {
        let settings::Session { cookie, header, .. } = &settings.session;
        Self {
            backend: settings.session.backend,
            cookie: cookie.enabled.then(|| cookie.name.clone()),
            header: header.clone(),
            max_age: settings.session.max_age,
            started: OffsetDateTime::now_utc(),
            location: StoreLocation::new(settings),
            shows_ids: is_loopback(&settings.server.host),
        }
    }

    /// Explains why the page shows no session if cookies are off.
    pub(super) fn notice(&self) -> Option<String> {
        let header = self.header.as_ref().filter(|_| self.cookie.is_none())?;
        Some(format!(
            "This page shows no session, because cookies are off on this server: clients send the \
             id in the header {header}."
        ))
    }

    /// Names the place of the id in the visitor's requests.
    pub(super) fn carrier(&self) -> String {
        match (&self.cookie, &self.header) {
            (None, Some(header)) => format!("header {header}"),
            (cookie, _) => format!("cookie {}", cookie.as_deref().unwrap_or_default()),
        }
    }

    /// Returns the command that starts the server with this storage. It sets a storage other than
    /// the default in the environment, even if the configuration file already does.
    pub(super) fn start_command(&self) -> String {
        const START: &str = "cargo run -p demo-server";
        match self.backend {
            Backend::File => START.to_owned(),
            other => format!("DEMO__SESSION__BACKEND={other} {START}"),
        }
    }
}
