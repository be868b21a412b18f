//! A look at a visitor's session, which is no use of it.

use std::time::Duration;

use actix_web::HttpRequest;
use serde::Serialize;
use session_core::{Manager, Result, SessionId, Snapshot};
use time::OffsetDateTime;

use super::{About, edit::Advice};
/// More than this is for `/get` to show.
const MOST_ITEMS: usize = 50;
const LONGEST_TEXT: usize = 400;

/// What is to be seen. All times are in milliseconds.
#[derive(Serialize)]
pub(super) struct Status {
    /// The server's clock, since 1970.
    pub(super) now: i64,
    /// When the server started: another value means that it has been restarted.
    pub(super) started: i64,
    pub(super) cookie: String,
    pub(super) max_age: u64,
    pub(super) store: Store,
    pub(super) session: Option<Current>,
    /// How to restart the server, and what to expect of it.
    pub(super) restart: Advice,
    /// How to change this session by hand.
    pub(super) edit: Advice,
}

#[derive(Serialize)]
pub(super) struct Store {
    pub(super) name: String,
    pub(super) answers: bool,
    /// Whether it outlives the server.
    pub(super) keeps: bool,
    /// What to do if it does not answer.
    pub(super) help: &'static str,
    /// The command that does it.
    pub(super) start: Option<String>,
}

/// The visitor's session.
#[derive(Serialize)]
pub(super) struct Current {
    /// The first characters.
    pub(super) id: String,
    pub(super) expires_in: u64,
    pub(super) items: Vec<Item>,
    /// How many items are not shown.
    pub(super) more: usize,
}

/// An item as it is stored: JSON text, which a script's numbers would not survive.
#[derive(Serialize)]
pub(super) struct Item {
    pub(super) key: String,
    pub(super) text: String,
}

impl About {
    /// What there is to say without asking the store.
    pub(super) fn blank(&self) -> Status {
        Status {
            now: unix_milliseconds(OffsetDateTime::now_utc()),
            started: unix_milliseconds(self.started),
            cookie: self.cookie.clone(),
            max_age: milliseconds(self.max_age),
            store: Store {
                name: self.backend.to_string(),
                answers: true,
                keeps: self.place.outlives_the_server(),
                help: self.place.help(),
                start: self.place.start_command(),
            },
            session: None,
            restart: Advice::new(self.place.restart(), &self.start_command()),
            edit: self.place.edit(None, self.shows_ids, &self.cookie),
        }
    }

    /// Looks at the session that a request claims.
    pub(super) async fn look(&self, request: &HttpRequest, manager: &Manager) -> Status {
        let claim = self.claim(request);
        let found = match &claim {
            Some(id) => peek(manager, id).await.ok(),
            None => manager.is_ready().await.then_some(None),
        };
        let mut status = self.blank();
        status.store.answers = found.is_some();
        if let Some((id, seen)) = claim.zip(found.flatten()) {
            status.edit = self.place.edit(Some((&id, &seen.items)), self.shows_ids, &self.cookie);
            status.session = Some(Current::new(&id, &seen));
        }
        status
    }

    fn claim(&self, request: &HttpRequest) -> Option<SessionId> {
        let cookies = request.cookies().ok()?;
        let mut named = cookies.iter().filter(|cookie| cookie.name() == self.cookie);
        named.find_map(|cookie| SessionId::parse(cookie.value()).ok())
    }
}

struct Seen {
    items: Snapshot,
    left: Duration,
}

/// Reads a session without using it: it is the end of a session's use that prolongs it, and
/// this one is never closed.
async fn peek(manager: &Manager, id: &SessionId) -> Result<Option<Seen>> {
    let session = manager.open(Some(id.clone()));
    // The time first: without any there is no session, and nothing to be counted as unknown.
    let Some(left) = session.expires_in().await? else { return Ok(None) };
    Ok(session.data().await?.map(|items| Seen { items, left }))
}

impl Current {
    fn new(id: &SessionId, seen: &Seen) -> Self {
        let items = seen.items.iter().take(MOST_ITEMS);
        let items = items.map(|(key, text)| Item { key: shortened(key), text: shortened(text) });
        Self {
            id: format!("{id:?}"),
            expires_in: milliseconds(seen.left),
            items: items.collect(),
            more: seen.items.len().saturating_sub(MOST_ITEMS),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

fn milliseconds(duration: Duration) -> u64 {
    duration.as_millis().try_into().unwrap_or(u64::MAX)
}

fn unix_milliseconds(time: OffsetDateTime) -> i64 {
    (time.unix_timestamp_nanos() / 1_000_000) as i64
}
