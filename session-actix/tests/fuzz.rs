//! Whatever headers come, no panic, and no claim but a well-formed one reaches the store.

#[path = "../../session-core/tests/support/probe.rs"]
mod probe;

#[path = "../../tests/support/fuzz.rs"]
mod fuzz;

use std::{cell::RefCell, iter::successors};

use actix_web::{
    App, HttpResponse,
    http::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE},
    test::{TestRequest, call_service, init_service},
    web,
};
use fuzz::fuzz;
use probe::Probe;
use session_actix::{CookieConfig, Error, Session, SessionMiddleware};
use session_core::{Granularity, Manager};

/// Asks for the session that the request claims.
async fn ask(session: Session) -> Result<HttpResponse, Error> {
    assert_eq!(session.size().await?, 0, "nobody has a session here");
    Ok(HttpResponse::Ok().finish())
}

#[test]
fn g3_any_headers_make_one_question_to_the_store_or_none() {
    let system = actix_rt::System::new();
    let probe = Probe::new(Granularity::Whole);
    let service = system.block_on(async {
        let manager = Manager::builder(probe.clone()).build().unwrap();
        let cookie = CookieConfig::new().name("sid").secure(false);
        let sessions = SessionMiddleware::builder(manager).cookie(cookie).header("x-sid");
        init_service(App::new().wrap(sessions.build().unwrap()).route("/", web::to(ask))).await
    });
    let service = RefCell::new(service);
    fuzz("cookies", |bytes| {
        let headers = headers(bytes);
        let claims = claims(&headers);
        let mut request = TestRequest::with_uri("/");
        for (name, value) in &headers {
            request = request.append_header((name.clone(), value.clone()));
        }
        let service = service.borrow();
        let response = system.block_on(call_service(&*service, request.to_request()));
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key(SET_COOKIE));
        let asked = probe.asked();
        let expected: &[&str] = if claims.is_empty() { &[] } else { &["get_session"] };
        assert_eq!(asked, expected, "{claims:?}");
    });
}

/// Reads lines `name: value` as far as HTTP lets them through.
fn headers(bytes: &[u8]) -> Vec<(HeaderName, HeaderValue)> {
    let lines = successors(Some(bytes), |rest| {
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        Some(&rest[end + 1..])
    });
    let header = |rest: &[u8]| {
        let line = rest.split(|&byte| byte == b'\n').next()?;
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
    };
    lines.filter_map(header).collect()
}

/// Every well-formed id that the headers could be understood to claim.
fn claims(headers: &[(HeaderName, HeaderValue)]) -> Vec<&[u8]> {
    let values = |of: HeaderName| {
        let of_name = headers.iter().filter(move |(name, _)| *name == of);
        of_name.map(|(_, value)| value.as_bytes())
    };
    let cookies = values(COOKIE).flat_map(|line| line.split(|&byte| byte == b';'));
    let cookies = cookies.filter_map(|pair| {
        let equals = pair.iter().position(|&byte| byte == b'=')?;
        let (name, value) = (pair[..equals].trim_ascii(), pair[equals + 1..].trim_ascii());
        (name == b"sid").then_some(value)
    });
    // Of a header that is there twice only the first counts.
    let header = values(HeaderName::from_static("x-sid")).next();
    cookies.chain(header).filter(|id| is_id(id)).collect()
}

fn is_id(id: &[u8]) -> bool {
    let is_plain =
        |byte: &u8| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=128).contains(&id.len()) && id.iter().all(is_plain)
}
