//! The routes of the walkthrough, `/set`, `/get` and `/del`, and two that change items atomically,
//! `/count` and `/take`.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::header::{self, ContentType},
};
use serde_json::value::RawValue;
use session_actix::{Error, Session};
use time::OffsetDateTime;

use super::{browser, item::into_item, pretty_json, query::Query};

/// Handles `/set`, which stores the time, and `/set?a=1&b=x`, which stores these items in one
/// write.
pub(super) async fn set(request: HttpRequest, session: Session) -> Result<HttpResponse, Error> {
    let query = match Query::parse(request.query_string()) {
        Ok(query) => query,
        Err(malformed) => return Ok(malformed.response()),
    };
    if query.is_empty() {
        session.set("time", OffsetDateTime::now_utc().unix_timestamp()).await?;
    } else {
        let items: BTreeMap<String, Box<RawValue>> =
            query.into_iter().map(|(key, value)| (key, into_item(value))).collect();
        session.set_map(&items).await?;
    }
    Ok(done(&request))
}

/// Handles `/get`, which answers with all items as one JSON object, and `/get?key=a`, which
/// answers with that item or `null`. Programs receive the stored text, browsers receive it
/// indented.
pub(super) async fn get(request: HttpRequest, session: Session) -> Result<HttpResponse, Error> {
    let keys = match Query::keys(request.query_string()) {
        Ok(keys) => keys,
        Err(malformed) => return Ok(malformed.response()),
    };
    let is_browser = browser::accepts_html(&request);
    let body = |json: &str| {
        BoxBody::new(if is_browser { pretty_json::indent(json) } else { json.to_owned() })
    };
    let body = match keys.last() {
        Some(key) => {
            let item = session.get::<Box<RawValue>>(key).await?;
            body(item.as_deref().map_or("null", RawValue::get))
        }
        None => match session.data().await? {
            Some(items) if is_browser => body(&items.to_json()),
            Some(items) => items.into(),
            None => body("{}"),
        },
    };
    Ok(HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::VARY, "accept"))
        .body(body))
}

/// Handles `/del`, which ends the session, and `/del?key=a`, which removes that item.
pub(super) async fn del(request: HttpRequest, session: Session) -> Result<HttpResponse, Error> {
    let keys = match Query::keys(request.query_string()) {
        Ok(keys) => keys,
        Err(malformed) => return Ok(malformed.response()),
    };
    if keys.is_empty() {
        session.remove_all().await?;
    } else {
        session.remove(keys).await?;
    }
    Ok(done(&request))
}

/// Handles `/count`, which adds one to the item `count` and answers with the new number. No other
/// request's addition is lost.
pub(super) async fn count(session: Session) -> Result<HttpResponse, Error> {
    let count = session.update_or("count", 0_u64, |count| count.saturating_add(1)).await?;
    Ok(json(count.to_string()))
}

/// Handles `/take?key=a`, which removes that item and answers with it, or with `null`. Of several
/// requests at once, one is given the item.
pub(super) async fn take(request: HttpRequest, session: Session) -> Result<HttpResponse, Error> {
    let keys = match Query::keys(request.query_string()) {
        Ok(keys) => keys,
        Err(malformed) => return Ok(malformed.response()),
    };
    let [key] = &keys[..] else {
        return Ok(HttpResponse::BadRequest().body("The query parameter key is needed once.\n"));
    };
    let item = session.take::<Box<RawValue>>(key).await?;
    Ok(json(item.as_deref().map_or("null", RawValue::get).to_owned()))
}

fn json(body: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body)
}

fn done(request: &HttpRequest) -> HttpResponse {
    if browser::is_form(request) {
        return browser::redirect_to_page();
    }
    HttpResponse::Ok().body("ok")
}
