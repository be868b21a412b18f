//! `/sessions`: the sessions of the user who is logged in.

use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, ContentType},
    web,
};
use serde::Serialize;
use session_actix::{Error, Session};
use session_core::{Manager, UserSession};

use super::{
    html,
    login::{ADDRESS, AGENT},
};
use crate::routes::{browser, page};

/// A session in the list. Times are in seconds since 1970.
#[derive(Serialize)]
pub(super) struct Listed {
    pub(super) fingerprint: String,
    /// Whether it is the session of this request.
    pub(super) current: bool,
    pub(super) created: u64,
    /// When the user has logged in.
    pub(super) authenticated: u64,
    pub(super) last_used: Option<u64>,
    pub(super) expires: u64,
    pub(super) address: Option<String>,
    pub(super) agent: Option<String>,
}

impl Listed {
    fn new(session: &UserSession, current: Option<&str>) -> Self {
        let text = |key| session.items.get::<String>(key).ok().flatten();
        Self {
            current: current == Some(&session.fingerprint),
            fingerprint: session.fingerprint.clone(),
            created: seconds(session.created),
            authenticated: seconds(session.authenticated),
            last_used: session.last_used.map(seconds),
            expires: seconds(session.expires),
            address: text(ADDRESS),
            agent: text(AGENT),
        }
    }
}

/// Answers browsers with a page, and programs with a list.
pub(super) async fn sessions(
    request: HttpRequest,
    session: Session,
    manager: web::Data<Manager>,
) -> Result<HttpResponse, Error> {
    let user = session.user().await?;
    let current = session.fingerprint().await?;
    let found = match &user {
        Some(user) => manager.sessions_of(user).await?,
        None => Vec::new(),
    };
    let listed: Vec<Listed> =
        found.iter().map(|found| Listed::new(found, current.as_deref())).collect();
    if browser::accepts_html(&request) {
        return Ok(page::document(html::render(user.as_deref(), &listed)));
    }
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::VARY, "accept"))
        .json(listed))
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
