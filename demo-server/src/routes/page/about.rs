//! The facts about the server that the page shows to every visitor.

use std::time::Duration;

use session_core::{SessionId, Snapshot};
use time::OffsetDateTime;

use super::store_location::{Instruction, StoreLocation};
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
    /// Whether sessions are stored under the hashes of their ids.
    hashes_ids: bool,
    /// Whether the store may have items that are not encrypted.
    accepts_plain: bool,
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
            hashes_ids: settings.session.hash_ids,
            accepts_plain: !settings.session.require_encryption,
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

    /// Explains how to edit a session in the store.
    pub(super) fn edit_instruction(&self, session: Option<(&SessionId, &Snapshot)>) -> Instruction {
        if let (Some(_), false) = (session, self.accepts_plain) {
            let say = "Your session cannot be edited by hand: items that are not encrypted count as \
                       none on this server.";
            return Instruction { say: say.to_owned(), command: None };
        }
        let stored = session.map(|(id, items)| match self.hashes_ids {
            true => (id.hashed(), items),
            false => (id.clone(), items),
        });
        let session = stored.as_ref().map(|(id, items)| (id, *items));
        self.location.edit_instruction(session, self.shows_ids, &self.origin_of_name())
    }

    /// Says how the name of a session in the store follows from the visitor's requests.
    fn origin_of_name(&self) -> String {
        let hash = if self.hashes_ids { "the SHA-256, in lower-case base 32, of " } else { "" };
        match (&self.cookie, &self.header) {
            (None, Some(header)) => format!("{hash}the value of your header {header}"),
            (cookie, _) => {
                format!("{hash}the value of your cookie {}", cookie.as_deref().unwrap_or_default())
            }
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
