//! The cookie of one browser.

use std::time::{Duration, Instant};

use super::record::{Cookie, Event, Id};

/// A jar that obeys every cookie, in the order in which the answers arrive.
#[derive(Default)]
pub(crate) struct CookieJar {
    id: Option<Id>,
    /// When the browser drops the cookie. `None` when it is closed.
    expires: Option<Instant>,
    /// Replaced, removed or expired ids, which a thief or a stale tab may still send.
    old: Vec<Id>,
}

impl CookieJar {
    /// Returns the id to send.
    pub(crate) fn id(&mut self) -> Option<Id> {
        if self.expires.is_some_and(|expires| expires <= Instant::now()) {
            self.put(None, None);
        }
        self.id.clone()
    }

    pub(crate) fn old(&self) -> &[Id] {
        &self.old
    }

    /// Obeys the cookie of a response.
    pub(crate) fn obey(&mut self, event: &Event) {
        match &event.cookie {
            Cookie::Unchanged => {}
            Cookie::Rolled => self.put(event.claim.clone(), event.cookie_age),
            Cookie::Issued(id) => self.put(Some(id.clone()), event.cookie_age),
            Cookie::Expired => self.put(None, None),
        }
    }

    fn put(&mut self, id: Option<Id>, age: Option<Duration>) {
        self.expires = age.map(|age| Instant::now() + age);
        if self.id != id {
            self.old.extend(self.id.take());
            self.id = id;
        }
    }
}

/// Returns the `Max-Age` in a `Set-Cookie` header.
pub(crate) fn max_age(set_cookie: &str) -> Option<Duration> {
    let mut attributes = set_cookie.split("; ").skip(1);
    let seconds = attributes.find_map(|attribute| attribute.strip_prefix("Max-Age="))?;
    Some(Duration::from_secs(seconds.parse().expect("seconds")))
}
