//! Where requests and responses carry the session id.

use std::{borrow::Cow, fmt};

use actix_web::http::header::{
    CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE, VARY,
};
use session_core::{Closed, Manager, Outcome, SessionId};

use crate::{claims::Claims, cookie::CookieConfig, signature::SignatureRing};

/// How many cookies of one name are tried. A browser sends several after the cookie's path or
/// domain has changed.
const MAX_COOKIES: usize = 4;

/// The cookie or the header that carries the id, or both.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) cookie: Option<CookieConfig>,
    pub(crate) header: Option<HeaderName>,
    /// Signs the ids, if they are signed.
    pub(crate) ring: Option<SignatureRing>,
}

/// What a request shows of its client.
pub(crate) struct Client {
    /// Whether the client is told in the header if the id changes.
    pub(crate) is_told_in_header: bool,
    /// The claims that were not signed by the first key.
    pub(crate) outdated: Vec<SessionId>,
}

impl Client {
    fn has_outdated(&self, id: &SessionId) -> bool {
        self.outdated.contains(id)
    }
}

impl Transport {
    /// Returns the ids that a request claims, in the order in which they are to be tried.
    ///
    /// The header takes precedence over the cookies.
    pub(crate) fn claims(&self, headers: &HeaderMap) -> Claims {
        let (mut claims, ring) = (Claims::default(), self.ring.as_ref());
        if let Some(value) = self.header.as_ref().and_then(|name| headers.get(name)) {
            claims.add(value.as_bytes().trim_ascii(), ring);
        }
        if let Some(cookie) = &self.cookie {
            let limit = MAX_COOKIES + claims.len();
            // Parsed by hand: a cookie jar would cost every request several allocations.
            for line in headers.get_all(COOKIE) {
                for pair in line.as_bytes().split(|&byte| byte == b';') {
                    let Some(value) = cookie.value_in(pair) else { continue };
                    if claims.len() < limit {
                        claims.add(value, ring);
                    }
                }
            }
        }
        claims
    }

    /// Returns what the client is sent for an id.
    pub(crate) fn token<'a>(&self, id: &'a SessionId) -> Cow<'a, str> {
        match &self.ring {
            Some(ring) => ring.token(id).into(),
            None => id.as_str().into(),
        }
    }

    /// Returns the kind and the name of what carries the id: the cookie, or the header if there is
    /// no cookie.
    pub(crate) fn name(&self) -> (&'static str, &str) {
        match &self.cookie {
            Some(cookie) => ("cookie", cookie.cookie_name()),
            None => ("header", self.header.as_ref().map_or("", HeaderName::as_str)),
        }
    }

    /// Returns whether a request may have the cookies of both, which are of the same name.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let paths = self.cookie.as_ref().zip(other.cookie.as_ref());
        paths.is_none_or(|(one, other)| one.covers(other) || other.covers(one))
    }

    /// Returns whether the response to a request with these headers has the id in its header.
    ///
    /// Scripts of a page can read the headers of a response, but not a cookie that is `HttpOnly`.
    /// So only a client that has sent the header is told, unless there is no cookie.
    pub(crate) fn tells_in_header(&self, headers: &HeaderMap) -> bool {
        let has_sent = |name| self.cookie.is_none() || headers.contains_key(name);
        self.header.as_ref().is_some_and(has_sent)
    }

    /// Returns whether the client is sent an id that it knows, at most once per touch interval.
    ///
    /// That is if its cookie has an age, now or from now on, or its token should be replaced.
    pub(crate) fn sends_again(&self, closed: &Closed, client: &Client) -> bool {
        let follows = closed.has_own_ttl || closed.sets_ttl;
        let is_persistent = |cookie: &CookieConfig| follows || cookie.is_persistent();
        let is_persistent = || self.cookie.as_ref().is_some_and(is_persistent);
        matches!(&closed.outcome, Outcome::Kept { id, roll: true, .. }
            if is_persistent() || client.has_outdated(id))
    }

    /// Returns whether the client is sent a new cookie whose age may depend on what the request has
    /// not read.
    pub(crate) fn needs_ttl(&self, closed: &Closed) -> bool {
        let is_sent = matches!(closed.outcome, Outcome::Issued { .. }) && self.cookie.is_some();
        is_sent && closed.ttl.is_none()
    }

    /// Adds the headers that tell the client about its session, and caches that the response
    /// depends on it.
    pub(crate) fn add_headers(
        &self,
        closed: &Closed,
        client: &Client,
        manager: &Manager,
        headers: &mut HeaderMap,
    ) {
        let (token, is_news) = match &closed.outcome {
            Outcome::Issued { id } => (Some(self.token(id)), true),
            Outcome::Kept { id, .. } if self.sends_again(closed, client) => {
                (Some(self.token(id)), client.has_outdated(id))
            }
            Outcome::Ended => (Some("".into()), true),
            _ => (None, false),
        };
        let cookie = self.cookie.as_ref().zip(token.as_deref()).map(|(cookie, token)| {
            cookie.line(&match token {
                "" => cookie.removal(),
                _ => cookie.with_token(token, closed, manager),
            })
        });
        let header = self.header.as_ref().filter(|_| is_news && client.is_told_in_header);
        let header = header.zip(token.as_deref());
        if cookie.is_some() || header.is_some() {
            // OWASP: no cache may store a response that carries an id. One that removes it is the
            // answer to a logout.
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        if let Some(value) = cookie.and_then(|line| secret(&line)) {
            headers.append(SET_COOKIE, value);
        }
        if let Some((name, value)) = header.and_then(|(name, token)| Some((name, secret(token)?))) {
            headers.insert(name.clone(), value);
        }
        if closed.was_used {
            self.add_vary(headers);
        }
    }

    /// Adds the names of the request headers that carry the id to `Vary`, unless they are there.
    fn add_vary(&self, headers: &mut HeaderMap) {
        let cookie = self.cookie.as_ref().map(|_| HeaderValue::from_static("Cookie"));
        let header = self.header.clone().map(HeaderValue::from);
        for name in cookie.into_iter().chain(header) {
            let mut lines = headers.get_all(VARY).map(HeaderValue::as_bytes);
            let covers = |entry: &[u8]| {
                let entry = entry.trim_ascii();
                entry == b"*" || entry.eq_ignore_ascii_case(name.as_bytes())
            };
            if !lines.any(|line| line.split(|&byte| byte == b',').any(covers)) {
                headers.append(VARY, name);
            }
        }
    }
}

/// Names the cookie, or the header if there is no cookie.
impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.name();
        write!(f, "the {kind} {name}")
    }
}

/// Returns a header value that `Debug` does not show. HTTP/2 keeps it out of compression tables.
fn secret(value: &str) -> Option<HeaderValue> {
    // Never `None`: building the middleware has checked the cookie, and ids are checked, too.
    let mut value = HeaderValue::from_str(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use session_core::MemoryStorage;

    use super::*;

    fn cookie() -> CookieConfig {
        CookieConfig::new().name("sid").secure(false)
    }

    fn both() -> Transport {
        let header = Some(HeaderName::from_static("x-sid"));
        Transport { cookie: Some(cookie()), header, ring: None }
    }

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            map.append(HeaderName::from_static(name), value);
        }
        map
    }

    fn claims_of(transport: &Transport, headers: &[(&'static str, &str)]) -> Vec<String> {
        transport.claims(&map(headers)).into_parts().0.map(|id| id.as_str().to_owned()).collect()
    }

    fn claims(headers: &[(&'static str, &str)]) -> Vec<String> {
        claims_of(&both(), headers)
    }

    #[test]
    fn the_header_is_claimed_before_the_cookie() {
        assert_eq!(claims(&[("cookie", "sid=one"), ("x-sid", "two")]), ["two", "one"]);
        assert_eq!(claims(&[("cookie", "sid=one"), ("x-sid", " one ")]), ["one"]);
        assert_eq!(claims(&[("cookie", "sid=one"), ("x-sid", "")]), ["one"]);
        assert_eq!(claims(&[("cookie", "sid=one"), ("x-sid", "a b")]), ["one"]);
        assert_eq!(claims(&[("cookie", "sid="), ("x-sid", "two")]), ["two"]);
        assert_eq!(claims(&[("cookie", "other=one")]), [""; 0]);
        assert_eq!(claims(&[]), [""; 0]);
    }

    #[test]
    fn only_what_is_configured_is_read() {
        let headers = [("cookie", "sid=one"), ("x-sid", "two")];
        assert_eq!(claims_of(&Transport { header: None, ..both() }, &headers), ["one"]);
        assert_eq!(claims_of(&Transport { cookie: None, ..both() }, &headers), ["two"]);
    }

    #[test]
    fn the_cookie_is_found_among_other_cookies() {
        assert_eq!(claims(&[("cookie", "a=1; sid=one ;b=2")]), ["one"]);
        assert_eq!(claims(&[("cookie", "a=1"), ("cookie", "sid=one")]), ["one"]);
        assert_eq!(claims(&[("cookie", "xsid=bad; sid=; sid=good")]), ["good"]);
        assert_eq!(claims(&[("cookie", "sidx=bad; sid = good")]), ["good"]);
        assert_eq!(claims(&[("cookie", "other=é; sid=good")]), ["good"]);
    }

    #[test]
    fn all_cookies_of_the_name_are_claimed_in_their_order() {
        assert_eq!(claims(&[("cookie", "sid=two; a=1; sid=one")]), ["two", "one"]);
        assert_eq!(claims(&[("cookie", "sid=two"), ("cookie", "sid=one")]), ["two", "one"]);
        assert_eq!(claims(&[("cookie", "sid=one; sid=b d; sid=two")]), ["one", "two"]);
        assert_eq!(claims(&[("cookie", "sid=one; sid=two; sid=one; sid=two")]), ["one", "two"]);
        let many =
            [("x-sid", "a"), ("cookie", "sid=1; sid=2; sid=2; sid=3; sid=b d; sid=4; sid=5")];
        assert_eq!(claims(&many), ["a", "1", "2", "3", "4"]);
        assert_eq!(claims(&many[1..]), ["1", "2", "3", "4"]);
    }

    #[test]
    fn g3_malformed_claims_are_ignored() {
        let long = "x".repeat(129);
        for bad in ["../x", "a b", "\"one\"", "é", "a%2fb", "a=b", &long] {
            let headers = [("cookie", &*format!("sid={bad}; sid={bad}")), ("x-sid", bad)];
            assert_eq!(claims(&headers), [""; 0], "{bad}");
        }
        assert_eq!(claims(&[("cookie", ";;;=;==; = ;sid")]), [""; 0]);
    }

    fn client() -> Client {
        Client { is_told_in_header: true, outdated: Vec::new() }
    }

    fn manager() -> Manager {
        Manager::builder(MemoryStorage::new()).build().unwrap()
    }

    #[actix_web::test]
    async fn vary_names_each_header_once_and_keeps_what_is_there() {
        let manager = manager();
        let mut closed = manager.open(None).close().await;
        closed.was_used = true;
        let vary = |transport: &Transport, before: &[&str]| {
            let before: Vec<_> = before.iter().map(|&line| ("vary", line)).collect();
            let mut headers = map(&before);
            transport.add_headers(&closed, &client(), &manager, &mut headers);
            let lines = headers.get_all(VARY).map(|line| line.to_str().unwrap().to_owned());
            lines.collect::<Vec<_>>().join(" | ")
        };
        assert_eq!(vary(&both(), &[]), "Cookie | x-sid");
        assert_eq!(vary(&Transport { header: None, ..both() }, &[]), "Cookie");
        assert_eq!(vary(&Transport { cookie: None, ..both() }, &[]), "x-sid");
        assert_eq!(vary(&both(), &["accept"]), "accept | Cookie | x-sid");
        assert_eq!(vary(&both(), &["Accept , COOKIE"]), "Accept , COOKIE | x-sid");
        assert_eq!(vary(&both(), &["accept", "X-Sid,cookie"]), "accept | X-Sid,cookie");
        assert_eq!(vary(&both(), &["cookie2, x"]), "cookie2, x | Cookie | x-sid");
        assert_eq!(vary(&both(), &["*"]), "*");
    }

    #[actix_web::test]
    async fn only_the_use_of_the_session_makes_a_response_vary() {
        let manager = manager();
        let mut closed = manager.open(None).close().await;
        assert_eq!(closed.outcome, Outcome::Untouched);
        for was_used in [true, false] {
            closed.was_used = was_used;
            let mut headers = HeaderMap::new();
            both().add_headers(&closed, &client(), &manager, &mut headers);
            let names: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            let expected: &[&str] = if was_used { &["vary"] } else { &[] };
            assert_eq!(names, expected);
        }
    }
}
