//! The state of a visitor's session, read without extending the session.

use std::time::{Duration, SystemTime};

use actix_web::HttpRequest;
use serde::Serialize;
use session_core::{Error, Manager, Result, SessionId, Snapshot};
use time::OffsetDateTime;

use super::{about::About, store_location::Instruction};
use crate::advice::Advice;

/// The number of items and the length of a text that the page shows; `/get` shows everything.
const MAX_ITEMS: usize = 50;
const MAX_TEXT_LENGTH: usize = 400;
/// How long a failure of a request is shown.
const RECENT: Duration = Duration::from_secs(5);
/// How many cookies of one name are tried, as by the middleware.
const MAX_COOKIES: usize = 4;

/// The data that the page shows. All times are in milliseconds.
#[derive(Serialize)]
pub(super) struct Status {
    /// The server's time since 1970.
    pub(super) now: i64,
    /// The start of the server. A new value tells the page that the server was restarted.
    pub(super) started: i64,
    /// The name of the session cookie, unless cookies are off.
    pub(super) cookie: Option<String>,
    /// Why there is no session if cookies are off.
    pub(super) notice: Option<String>,
    pub(super) max_age: u64,
    pub(super) store: Store,
    pub(super) session: Option<CurrentSession>,
    /// How to restart the server, and what happens to the session.
    pub(super) restart: Instruction,
    /// How to edit this session in the store.
    pub(super) edit: Instruction,
}

#[derive(Serialize)]
pub(super) struct Store {
    pub(super) name: String,
    pub(super) answers: bool,
    /// Whether sessions survive a restart of the server.
    pub(super) keeps: bool,
    /// What is wrong, if something is.
    pub(super) problem: Option<String>,
    /// What to do about it.
    pub(super) help: &'static str,
    /// The command that starts the store.
    pub(super) start: Option<String>,
}

/// The visitor's session.
#[derive(Serialize)]
pub(super) struct CurrentSession {
    /// The first characters of the id.
    pub(super) id: String,
    pub(super) expires_in: u64,
    /// The time until the session ends however much it is used, if there is a limit.
    pub(super) ends_in: Option<u64>,
    /// When the session was created, since 1970, if that is noted. A renewal does not change it.
    pub(super) created: Option<i64>,
    pub(super) items: Vec<Item>,
    /// The number of items left out of `items`.
    pub(super) more: usize,
}

/// An item as its stored JSON text: numbers in JavaScript lose digits.
#[derive(Serialize)]
pub(super) struct Item {
    pub(super) key: String,
    pub(super) text: String,
}

impl About {
    /// Returns the status without a session, without asking the store.
    pub(super) fn blank_status(&self) -> Status {
        Status {
            now: unix_milliseconds(OffsetDateTime::now_utc()),
            started: unix_milliseconds(self.started),
            cookie: self.cookie.clone(),
            notice: self.notice(),
            max_age: milliseconds(self.max_age),
            store: Store {
                name: self.backend.to_string(),
                answers: true,
                keeps: self.location.survives_restart(),
                problem: None,
                help: self.location.help_text(),
                start: self.location.start_command(),
            },
            session: None,
            restart: Instruction::new(self.location.restart_text(), &self.start_command()),
            edit: match self.notice() {
                Some(say) => Instruction { say, command: None },
                None => self.edit_instruction(None),
            },
        }
    }

    /// Returns the status with the session that the request names.
    pub(super) async fn status(&self, request: &HttpRequest, manager: &Manager) -> Status {
        let claims = self.claims(request);
        let answer = match &claims[..] {
            [] => manager.check().await.map(|()| None),
            _ => first_stored(manager, claims).await,
        };
        let mut status = self.blank_status();
        self.describe(&mut status.store, answer.as_ref().err(), manager);
        if let Some(stored) = answer.ok().flatten() {
            status.edit = self.edit_instruction(Some((&stored.id, &stored.items)));
            status.session = Some(CurrentSession::new(&stored));
        }
        status
    }

    /// Says what is wrong with the store: it does not answer, or it has failed a request just now.
    fn describe(&self, store: &mut Store, failure: Option<&Error>, manager: &Manager) {
        store.answers = failure.is_none();
        let recent = manager.last_failure().filter(|failure| failure.ago < RECENT);
        let advice = match (failure, recent) {
            (Some(failure), _) => Advice::on(failure),
            (None, Some(recent)) => Advice::about(recent.reason),
            (None, None) => return,
        };
        // A public server keeps the reasons to its log.
        if self.shows_ids && self.location.is_redis() {
            if !advice.is_down {
                store.help = advice.help;
                store.start = None;
            }
            store.problem = Some(advice.problem);
        }
    }

    /// Returns the ids that the request claims, in the order in which the middleware tries them.
    fn claims(&self, request: &HttpRequest) -> Vec<SessionId> {
        let header = self.header.as_deref().and_then(|name| request.headers().get(name));
        let header = header.and_then(|value| SessionId::parse(value.to_str().ok()?.trim()).ok());
        let cookies = request.cookies();
        let cookies = cookies.iter().flat_map(|cookies| cookies.iter());
        let named = cookies.filter(|cookie| Some(cookie.name()) == self.cookie.as_deref());
        let ids = named.filter_map(|cookie| SessionId::parse(cookie.value()).ok());
        header.into_iter().chain(ids.take(MAX_COOKIES)).collect()
    }
}

struct StoredSession {
    /// The id now, which a renewal has changed if the request was sent before.
    id: SessionId,
    items: Snapshot,
    expires_in: Duration,
    ends_in: Option<Duration>,
    created: Option<SystemTime>,
}

/// Reads a session without extending it.
async fn read_without_extending(
    manager: &Manager,
    id: &SessionId,
) -> Result<Option<StoredSession>> {
    let session = manager.open(Some(id.clone()));
    session.passive();
    // The time to live comes first: reading the items of a session that does not exist would add
    // to the manager's count of unknown ids.
    let Some(expires_in) = session.expires_in().await? else { return Ok(None) };
    let (Some(items), Some(id)) = (session.data().await?, session.id().await?) else {
        return Ok(None);
    };
    let (ends_in, created) = (session.ends_in().await?, session.created_at().await?);
    Ok(Some(StoredSession { id, items, expires_in, ends_in, created }))
}

/// Reads the first of these sessions that exists.
async fn first_stored(manager: &Manager, claims: Vec<SessionId>) -> Result<Option<StoredSession>> {
    for id in claims {
        if let Some(stored) = read_without_extending(manager, &id).await? {
            return Ok(Some(stored));
        }
    }
    Ok(None)
}

impl CurrentSession {
    fn new(stored: &StoredSession) -> Self {
        let items = stored.items.iter().take(MAX_ITEMS);
        let items = items.map(|(key, text)| Item { key: shortened(key), text: shortened(text) });
        Self {
            id: format!("{:?}", stored.id),
            expires_in: milliseconds(stored.expires_in),
            ends_in: stored.ends_in.map(milliseconds),
            created: stored.created.map(|created| unix_milliseconds(created.into())),
            items: items.collect(),
            more: stored.items.len().saturating_sub(MAX_ITEMS),
        }
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT_LENGTH) {
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
