//! How an id comes in with a request and goes out with a response.

use actix_web::http::header::{
    CACHE_CONTROL, COOKIE, HeaderMap, HeaderName, HeaderValue, SET_COOKIE,
};
use session_core::{Manager, Outcome, SessionId};

use crate::cookie::CookieConfig;

/// The agreed places of the id.
#[derive(Debug)]
pub(crate) struct Transport {
    pub(crate) cookie: CookieConfig,
    pub(crate) header: Option<HeaderName>,
}

impl Transport {
    /// Returns the id that a request claims. The cookie wins over the header; one that is empty
    /// or malformed counts as none.
    pub(crate) fn claim(&self, headers: &HeaderMap) -> Option<SessionId> {
        self.cookie_claim(headers).or_else(|| {
            let value = headers.get(self.header.as_ref()?)?;
            SessionId::parse(value.to_str().ok()?.trim()).ok()
        })
    }

    // By hand: parsing the cookies into a jar would cost every request several allocations.
    fn cookie_claim(&self, headers: &HeaderMap) -> Option<SessionId> {
        let lines = headers.get_all(COOKIE).map(HeaderValue::as_bytes);
        let pairs = lines.flat_map(|line| line.split(|&byte| byte == b';'));
        let mut values = pairs.filter_map(|pair| self.cookie.value_in(pair));
        values.find_map(|value| SessionId::parse(str::from_utf8(value).ok()?).ok())
    }

    /// Adds to a response's headers what the client has to know, which is mostly nothing.
    pub(crate) fn tell(&self, outcome: &Outcome, manager: &Manager, headers: &mut HeaderMap) {
        let id = match outcome {
            Outcome::Issued { id } => id,
            Outcome::Kept { id, roll: true, .. } if self.cookie.is_persistent() => id,
            Outcome::Ended => {
                append_cookie(headers, &self.cookie.removal().to_string());
                return;
            }
            _ => return,
        };
        append_cookie(headers, &self.cookie.carrying(id, manager).to_string());
        if let (Some(name), Ok(id)) = (&self.header, HeaderValue::from_str(id.as_str())) {
            headers.insert(name.clone(), id);
        }
        // OWASP: a response that carries an id must not be stored by any cache.
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
}

fn append_cookie(headers: &mut HeaderMap, cookie: &str) {
    // Name and attributes were checked when the middleware was built.
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
    fn the_cookie_wins_over_the_header_and_an_empty_one_counts_as_none() {
        assert_eq!(claim(&[("cookie", "sid=one"), ("x-sid", "two")]).as_deref(), Some("one"));
        assert_eq!(claim(&[("cookie", "sid="), ("x-sid", "two")]).as_deref(), Some("two"));
        assert_eq!(claim(&[("cookie", "other=one")]), None);
        assert_eq!(claim(&[]), None);
    }

    #[test]
    fn the_cookie_is_found_among_others() {
        assert_eq!(claim(&[("cookie", "a=1; sid=one ;b=2")]).as_deref(), Some("one"));
        assert_eq!(claim(&[("cookie", "a=1"), ("cookie", "sid=one")]).as_deref(), Some("one"));
        assert_eq!(claim(&[("cookie", "xsid=bad; sid=; sid=good")]).as_deref(), Some("good"));
        assert_eq!(claim(&[("cookie", "sidx=bad; sid = good")]).as_deref(), Some("good"));
        assert_eq!(claim(&[("cookie", "other=é; sid=good")]).as_deref(), Some("good"));
    }

    #[test]
    fn g3_malformed_claims_are_none() {
        let long = "x".repeat(129);
        for bad in ["../x", "a b", "\"one\"", "é", "a%2fb", "a=b", &long] {
            assert_eq!(claim(&[("cookie", &format!("sid={bad}")), ("x-sid", bad)]), None, "{bad}");
        }
        assert_eq!(claim(&[("cookie", ";;;=;==; = ;sid")]), None);
    }
}
