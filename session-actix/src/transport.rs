//! Where requests and responses carry the session id.

use actix_web::http::header::{
    CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};
use session_core::{Manager, Outcome, SessionId};

use crate::cookie::CookieConfig;

/// The cookie and the optional header that carry the id.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) cookie: CookieConfig,
    pub(crate) header: Option<HeaderName>,
}

impl Transport {
    /// Returns the id that a request claims.
    ///
    /// The cookie takes precedence over the header. An empty or malformed id is ignored.
    pub(crate) fn claim(&self, headers: &HeaderMap) -> Option<SessionId> {
        self.claim_in_cookies(headers).or_else(|| {
            let value = headers.get(self.header.as_ref()?)?;
            SessionId::parse(value.to_str().ok()?.trim()).ok()
        })
    }

    // Parsed by hand: a cookie jar would cost every request several allocations.
    fn claim_in_cookies(&self, headers: &HeaderMap) -> Option<SessionId> {
        let lines = headers.get_all(COOKIE).map(HeaderValue::as_bytes);
        let pairs = lines.flat_map(|line| line.split(|&byte| byte == b';'));
        let mut values = pairs.filter_map(|pair| self.cookie.value_in(pair));
        values.find_map(|value| SessionId::parse(str::from_utf8(value).ok()?).ok())
    }

    /// Adds the headers that tell the client about the outcome. Most outcomes need none.
    pub(crate) fn add_headers(
        &self,
        outcome: &Outcome,
        manager: &Manager,
        headers: &mut HeaderMap,
    ) {
        let id = match outcome {
            Outcome::Issued { id } => id,
            Outcome::Kept { id, roll: true, .. } if self.cookie.is_persistent() => id,
            Outcome::Ended => {
                append_cookie(headers, &self.cookie.removal().to_string());
                return;
            }
            _ => return,
        };
        append_cookie(headers, &self.cookie.with_id(id, manager).to_string());
        if let (Some(name), Ok(id)) = (&self.header, HeaderValue::from_str(id.as_str())) {
            headers.insert(name.clone(), id);
        }
        // OWASP: no cache may store a response that carries an id.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn append_cookie(headers: &mut HeaderMap, cookie: &str) {
    // Never an error: building the middleware has checked the name and the attributes.
    if let Ok(value) = HeaderValue::from_str(cookie) {
        headers.append(SET_COOKIE, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(headers: &[(&'static str, &str)]) -> Option<String> {
        let transport = Transport {
            cookie: CookieConfig::new().name("sid").secure(false),
            header: Some(HeaderName::from_static("x-sid")),
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_static(name),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        transport.claim(&map).map(|id| id.as_str().to_owned())
    }

    #[test]
    fn the_cookie_takes_precedence_over_the_header_unless_it_is_empty() {
        assert_eq!(claim(&[("cookie", "sid=one"), ("x-sid", "two")]).as_deref(), Some("one"));
        assert_eq!(claim(&[("cookie", "sid="), ("x-sid", "two")]).as_deref(), Some("two"));
        assert_eq!(claim(&[("cookie", "other=one")]), None);
        assert_eq!(claim(&[]), None);
    }

    #[test]
    fn the_cookie_is_found_among_other_cookies() {
        assert_eq!(claim(&[("cookie", "a=1; sid=one ;b=2")]).as_deref(), Some("one"));
        assert_eq!(claim(&[("cookie", "a=1"), ("cookie", "sid=one")]).as_deref(), Some("one"));
        assert_eq!(claim(&[("cookie", "xsid=bad; sid=; sid=good")]).as_deref(), Some("good"));
        assert_eq!(claim(&[("cookie", "sidx=bad; sid = good")]).as_deref(), Some("good"));
        assert_eq!(claim(&[("cookie", "other=é; sid=good")]).as_deref(), Some("good"));
    }

    #[test]
    fn g3_malformed_claims_are_ignored() {
        let long = "x".repeat(129);
        for bad in ["../x", "a b", "\"one\"", "é", "a%2fb", "a=b", &long] {
            assert_eq!(claim(&[("cookie", &format!("sid={bad}")), ("x-sid", bad)]), None, "{bad}");
        }
        assert_eq!(claim(&[("cookie", ";;;=;==; = ;sid")]), None);
    }
}
