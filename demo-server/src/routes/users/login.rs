//! `/login` and `/logout`. There are no passwords here: everybody may be anybody.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
    web,
};
use session_actix::{Error, Session};

use crate::routes::{browser, query::Query};

/// The longest description of a browser that is kept, in characters.
const LONGEST_AGENT: usize = 200;

/// The items that the list of sessions shows.
pub(super) const ADDRESS: &str = "address";
pub(super) const AGENT: &str = "agent";

/// Handles `/login?user=bob`, which makes this the session of bob under a new id. A form may send
/// the user as well.
pub(super) async fn login(
    request: HttpRequest,
    session: Session,
    body: web::Bytes,
) -> Result<HttpResponse, Error> {
    let body = if is_form(request.headers()) { body } else { web::Bytes::new() };
    let Some(user) =
        user_in(request.query_string()).or_else(|| user_in(str::from_utf8(&body).ok()?))
    else {
        return Ok(HttpResponse::BadRequest().body("The parameter user is needed once.\n"));
    };
    match session.login(&user).await {
        Ok(()) => {}
        Err(Error::InvalidUser) => {
            let allowed = "The name of a user is 1 to 255 bytes without control characters.\n";
            return Ok(HttpResponse::BadRequest().body(allowed));
        }
        Err(error) => return Err(error),
    }
    let address = request.peer_addr().map(|address| address.ip().to_string());
    let agent = request.headers().get(header::USER_AGENT);
    let agent = agent.map(|agent| String::from_utf8_lossy(agent.as_bytes()));
    let agent = agent.map(|agent| agent.chars().take(LONGEST_AGENT).collect());
    let items: BTreeMap<&str, String> = [(ADDRESS, address), (AGENT, agent)]
        .into_iter()
        .filter_map(|(k, v)| Some((k, v?)))
        .collect();
    session.set_map(items).await?;
    Ok(done(&request))
}

/// Handles `/logout`.
pub(super) async fn logout(request: HttpRequest, session: Session) -> Result<HttpResponse, Error> {
    session.logout().await?;
    Ok(done(&request))
}

/// Returns the user that a query string or a form names, if it names one and nothing else.
fn user_in(text: &str) -> Option<String> {
    let mut pairs = Query::parse(text).ok()?.into_iter();
    match (pairs.next(), pairs.next()) {
        (Some((key, user)), None) if key == "user" => Some(user),
        _ => None,
    }
}

fn is_form(headers: &HeaderMap) -> bool {
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    content_type.is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"))
}

fn done(request: &HttpRequest) -> HttpResponse {
    if browser::is_form(request) {
        browser::redirect("/sessions")
    } else {
        HttpResponse::Ok().body("ok")
    }
}
