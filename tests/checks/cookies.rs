//! The headers of a request, through the middleware.

#[path = "../../session-core/tests/support/probe.rs"]
mod probe;

use std::{collections::BTreeSet, iter::successors};

use actix_web::{
    App, HttpResponse,
    http::header::{COOKIE, HeaderName, HeaderValue, SET_COOKIE},
    test::{TestRequest, call_service, init_service},
    web,
};
use probe::Probe;
use session_actix::{CookieConfig, Error, Session, SessionMiddleware};
use session_core::{Granularity, Manager};

/// The header and four cookies.
const MAX_CLAIMS: usize = 5;

type Headers = [(HeaderName, HeaderValue)];

thread_local! {
    // Leaked: the runtime cannot be dropped while the thread's other locals go.
    static CHECK: &'static dyn Fn(&Headers) = Box::leak(Box::new(services()));
}

/// Checks that headers with well-formed claims ask the storage at most once for each of the first,
/// and all others never. If ids are signed, none asks it, because no input knows the key.
pub(crate) fn check(bytes: &[u8]) {
    CHECK.with(|check| check(&headers(bytes)));
}

/// Starts two services for all inputs of a thread: without and with signed ids.
fn services() -> impl Fn(&Headers) {
    let (plain, signed) = (service(&[]), service(&[[7; 32]]));
    move |headers| {
        let (claims, asked) = (claims(headers), plain(headers));
        assert!(asked.iter().all(|asked| *asked == "get_session"), "{asked:?}");
        assert_eq!(asked.is_empty(), claims.is_empty(), "{claims:?}");
        assert!(asked.len() <= claims.len().min(MAX_CLAIMS), "{asked:?} for {claims:?}");
        assert_eq!(signed(headers), [""; 0]);
    }
}

/// Starts a service that returns what a request has asked the storage.
fn service(signing_keys: &[[u8; 32]]) -> impl Fn(&Headers) -> Vec<&'static str> + use<> {
    let system = actix_rt::System::new();
    let probe = Probe::new(Granularity::Whole);
    let service = system.block_on(async {
        let manager = Manager::builder(probe.clone()).build().unwrap();
        let cookie = CookieConfig::new().name("sid").secure(false);
        let mut sessions = SessionMiddleware::builder(manager).cookie(cookie).header("x-sid");
        if !signing_keys.is_empty() {
            sessions = sessions.signing_keys(signing_keys.iter().copied());
        }
        init_service(App::new().wrap(sessions.build().unwrap()).route("/", web::to(ask))).await
    });
    move |headers| {
        let mut request = TestRequest::with_uri("/");
        for (name, value) in headers {
            request = request.append_header((name.clone(), value.clone()));
        }
        let response = system.block_on(call_service(&service, request.to_request()));
        assert_eq!(response.status(), 200);
        assert!(!response.headers().contains_key(SET_COOKIE));
        probe.asked()
    }
}

/// Asks for the session that the request claims.
async fn ask(session: Session) -> Result<HttpResponse, Error> {
    assert_eq!(session.size().await?, 0, "the storage is empty");
    Ok(HttpResponse::Ok().finish())
}

/// Reads lines `name: value`, without those that HTTP does not allow.
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

/// Finds every well-formed id that the headers could be understood to claim.
fn claims(headers: &Headers) -> BTreeSet<&[u8]> {
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
    // If the header is repeated, only the first one counts.
    let header = values(HeaderName::from_static("x-sid")).next();
    cookies.chain(header).filter(|id| is_id(id)).collect()
}

fn is_id(id: &[u8]) -> bool {
    let is_plain =
        |byte: &u8| matches!(byte, b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    (1..=128).contains(&id.len()) && id.iter().all(is_plain)
}
