//! `POST /sessions/end`: ends sessions of the user who is logged in, and of nobody else.

use actix_web::{HttpRequest, HttpResponse, web};
use serde_json::json;
use session_actix::{Error, Session};
use session_core::Manager;

use crate::routes::{browser, query::Query};

/// Which sessions to end.
enum Which {
    One(String),
    Others,
    All,
}

/// Handles `?id=FINGERPRINT`, `?others=true` and `?all=true`.
pub(super) async fn end(
    request: HttpRequest,
    session: Session,
    manager: web::Data<Manager>,
) -> Result<HttpResponse, Error> {
    if browser::is_cross_site(&request) {
        return Ok(HttpResponse::Forbidden().body("Only this site may end sessions.\n"));
    }
    let Some(which) = which(request.query_string()) else {
        let allowed = "One of the parameters id, others=true and all=true is needed.\n";
        return Ok(HttpResponse::BadRequest().body(allowed));
    };
    let (Some(user), Some(current)) = (session.user().await?, session.fingerprint().await?) else {
        return Ok(HttpResponse::Unauthorized().body("Nobody is logged in.\n"));
    };
    let ended = match which {
        Which::One(id) if id == current => {
            session.logout().await?;
            1
        }
        Which::One(id) => usize::from(manager.end(&user, &id).await?),
        Which::Others => session.end_others().await?,
        Which::All => {
            let others = session.end_others().await?;
            session.logout().await?;
            // What was logged in meanwhile.
            others + 1 + manager.end_all(&user).await?
        }
    };
    if browser::is_form(&request) {
        return Ok(browser::redirect("/sessions"));
    }
    if ended == 0 && request.query_string().starts_with("id") {
        return Ok(HttpResponse::NotFound().body("There is no such session.\n"));
    }
    Ok(HttpResponse::Ok().json(json!({ "ended": ended })))
}

fn which(query: &str) -> Option<Which> {
    let mut pairs = Query::parse(query).ok()?.into_iter();
    let (pair, None) = (pairs.next()?, pairs.next()) else { return None };
    match (pair.0.as_str(), pair.1) {
        ("id", id) if !id.is_empty() => Some(Which::One(id)),
        ("others", flag) if flag == "true" => Some(Which::Others),
        ("all", flag) if flag == "true" => Some(Which::All),
        _ => None,
    }
}
