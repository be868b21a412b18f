//! The walkthrough's three steps.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    body::BoxBody,
    http::header::{self, ContentType},
};
use serde_json::value::RawValue;
use session_actix::{Error, Session};
use time::OffsetDateTime;

use super::{people, query::Query};

/// `/set` stores the time, `/set?a=1&b=x` these items instead, all in one write.
pub(super) async fn set(request: HttpRequest, session: Session) -> Result<HttpResponse, Error> {
    let query = match Query::parse(request.query_string()) {
        Ok(query) => query,
        Err(fault) => return Ok(fault.answer()),
    };
    if query.is_empty() {
        session.set("time", OffsetDateTime::now_utc().unix_timestamp()).await?;
    } else {
        let items: BTreeMap<String, Box<RawValue>> =
            query.into_iter().map(|(key, value)| (key, as_item(value))).collect();
        session.set_map(&items).await?;
    }
    Ok(done(&request))
}

/// `/get` answers all items as one JSON object, `/get?key=a` that item or `null`: the text as it
/// is stored, or the same on several lines if a person reads it.
pub(super) async fn get(request: HttpRequest, session: Session) -> Result<HttpResponse, Error> {
    let keys = match Query::keys(request.query_string()) {
        Ok(keys) => keys,
        Err(fault) => return Ok(fault.answer()),
    };
    let for_person = people::reads(&request);
    let body = |json: &str| {
        BoxBody::new(if for_person { people::indented(json) } else { json.to_owned() })
    };
    let body = match keys.last() {
        Some(key) => {
            let item = session.get::<Box<RawValue>>(key).await?;
            body(item.as_deref().map_or("null", RawValue::get))
        }
        None => match session.data().await? {
            Some(items) if for_person => body(&items.to_json()),
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

/// `/del` ends the session, `/del?key=a` removes that item.
pub(super) async fn del(request: HttpRequest, session: Session) -> Result<HttpResponse, Error> {
    let keys = match Query::keys(request.query_string()) {
        Ok(keys) => keys,
        Err(fault) => return Ok(fault.answer()),
    };
    if keys.is_empty() {
        session.remove_all().await?;
    } else {
        session.remove(keys).await?;
    }
    Ok(done(&request))
}

fn done(request: &HttpRequest) -> HttpResponse {
    if people::submitted(request) {
        return people::back_to_page();
    }
    HttpResponse::Ok().body("ok")
}

/// JSON is taken as it is, byte for byte; anything else is a string.
pub(super) fn as_item(value: String) -> Box<RawValue> {
    RawValue::from_string(value.clone()).unwrap_or_else(|_| {
        serde_json::value::to_raw_value(&value).expect("a string is always JSON")
    })
}
