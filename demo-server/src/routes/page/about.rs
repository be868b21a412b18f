//! What the page tells about the server, whoever looks at it.

use std::time::Duration;

use time::OffsetDateTime;

use super::edit::Place;
use crate::{
    by_hand::is_loopback,
    settings::{Backend, Settings},
};

pub(crate) struct About {
    pub(super) backend: Backend,
    /// The cookie's name.
    pub(super) cookie: String,
    pub(super) max_age: Duration,
    pub(super) started: OffsetDateTime,
    /// Where the store keeps the sessions.
    pub(super) place: Place,
    /// Whether a visitor may read the whole id of the own session.
    ///
    /// Whoever knows an id has the session, and the cookie keeps it from scripts: a page on the
    /// internet should not undo that. But to edit a session by hand one has to name it, and a
    /// server that listens on this machine alone shows the id to somebody who could read it in
    /// the store just as well.
    pub(super) shows_ids: bool,
}

impl About {
    pub(crate) fn new(settings: &Settings) -> Self {
        Self {
            backend: settings.session.backend,
            cookie: settings.session.cookie.name.clone(),
            max_age: settings.session.max_age,
            started: OffsetDateTime::now_utc(),
            place: Place::new(settings),
            shows_ids: is_loopback(&settings.server.host),
        }
    }

    /// The command that starts the server with this storage, wherever that was set.
    pub(super) fn start_command(&self) -> String {
        const START: &str = "cargo run -p demo-server";
        match self.backend {
            Backend::File => START.to_owned(),
            other => format!("DEMO__SESSION__BACKEND={other} {START}"),
        }
    }
}
