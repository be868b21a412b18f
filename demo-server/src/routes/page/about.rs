//! The facts about the server that the page shows to every visitor.

use std::time::Duration;

use time::OffsetDateTime;

use super::store_location::StoreLocation;
use crate::{
    loopback::is_loopback,
    settings::{Backend, Settings},
};

pub(crate) struct About {
    pub(super) backend: Backend,
    /// The name of the session cookie.
    pub(super) cookie: String,
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
        Self {
            backend: settings.session.backend,
            cookie: settings.session.cookie.name.clone(),
            max_age: settings.session.max_age,
            started: OffsetDateTime::now_utc(),
            location: StoreLocation::new(settings),
            shows_ids: is_loopback(&settings.server.host),
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
