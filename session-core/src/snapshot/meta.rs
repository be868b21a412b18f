//! What the library notes about a session.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::value::to_raw_value;

use super::meta_text::{self, Json};
use crate::{MAX_TTL, lifetime::millis};

/// The key of the metadata, which is no item.
pub(crate) const META_KEY: &str = "$meta";
/// Metadata that says nothing. It keeps a session without items.
pub(crate) const NO_META: &str = "{}";
/// How the metadata of a marker begins, which nothing else's does.
pub(crate) const MARKER_START: &str = r#"{"renewed":"#;
/// What the metadata of a user's session contains.
pub(crate) const LOGIN_PART: &str = r#""login":"#;

/// A session's metadata. Times are in milliseconds, since 1970 if they are moments.
///
/// The scripts in Redis read `created` and `ttl` by pattern, so they are numbers without sign and
/// fraction.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Meta {
    /// The metadata is that of a marker: `true`, or the salt that leads to the new id.
    pub(super) renewed: Option<Json>,
    pub(super) created: Option<u64>,
    /// When the id was issued, if that was after the creation.
    pub(super) issued: Option<u64>,
    /// The session's own time to live.
    pub(super) ttl: Option<u64>,
    pub(super) login: Option<NotedLogin>,
    /// What other versions have noted.
    pub(super) rest: BTreeMap<Box<str>, Json>,
}

/// Whose session it is, as it is noted.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct NotedLogin {
    json: Json,
    /// `None` if it is encrypted, or cannot be read.
    login: Option<Login>,
}

impl NotedLogin {
    pub(super) fn read(json: Json) -> Self {
        let login = serde_json::from_str(json.0.get()).ok();
        Self { json, login }
    }

    pub(super) fn json(&self) -> &Json {
        &self.json
    }
}

/// Whose session it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Login {
    pub(crate) user: Box<str>,
    /// When the user has logged in, in milliseconds since 1970.
    pub(crate) at: u64,
}

impl Login {
    pub(crate) fn to_json(&self) -> Json {
        Json(to_raw_value(self).expect("strings and numbers are always JSON"))
    }
}

impl Meta {
    /// Reads metadata. Text that is not metadata says nothing.
    pub(crate) fn read(text: &str) -> Self {
        let is_own = |meta: &Self| meta.ttl.is_none_or(|ttl| (1..=millis(MAX_TTL)).contains(&ttl));
        serde_json::from_str(text).ok().filter(is_own).unwrap_or_default()
    }

    /// Writes the metadata; `None` if it says nothing.
    pub(crate) fn write(&self) -> Option<String> {
        meta_text::write(self)
    }

    pub(crate) fn created(&self) -> Option<u64> {
        self.created
    }

    /// Returns when the session's id was issued, if that is noted.
    pub(crate) fn issued(&self) -> Option<u64> {
        self.issued.or(self.created)
    }

    /// Returns the session's own time to live.
    pub(crate) fn ttl(&self) -> Option<Duration> {
        self.ttl.map(Duration::from_millis)
    }

    /// Returns whose session it is, if it is a user's.
    pub(crate) fn login(&self) -> Option<&Login> {
        self.login.as_ref()?.login.as_ref()
    }

    /// Returns whose session it is.
    pub(crate) fn user(&self) -> Option<&str> {
        self.login().map(|login| &*login.user)
    }

    /// Changes whose session it is, or how that is written.
    #[cfg(feature = "encryption")]
    pub(crate) fn map_login(&mut self, map: impl FnOnce(Json) -> Option<Json>) {
        self.login = self.login.take().and_then(|login| map(login.json)).map(NotedLogin::read);
    }

    /// Returns what leads from a marker to the new id.
    pub(crate) fn salt(&self) -> Option<&str> {
        // Without escapes, as an id is.
        self.renewed.as_ref()?.0.get().strip_prefix('"')?.strip_suffix('"')
    }
}

/// A change of metadata. Parts that it does not name stay.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct MetaChange {
    /// When the session was created, unless that is noted already.
    pub(crate) created: Option<u64>,
    /// The session's own time to live, or `Some(None)` for the default.
    pub(crate) ttl: Option<Option<Duration>>,
    /// When the id is issued.
    pub(crate) issued: Option<Issue>,
    /// Whose session it is: a [`Login`], or its encrypted form.
    pub(crate) login: Option<Json>,
    /// Whether the session may begin without items.
    pub(crate) begins: bool,
}

/// The claim to issue a new id, which only one of several requests is granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    /// When the present id was issued.
    pub(crate) seen: u64,
    pub(crate) now: u64,
}

impl MetaChange {
    pub(crate) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds a later change.
    pub(crate) fn extend(&mut self, later: Self) {
        self.created = self.created.or(later.created);
        self.ttl = later.ttl.or(self.ttl);
        self.issued = later.issued.or(self.issued);
        self.login = later.login.or_else(|| self.login.take());
        self.begins |= later.begins;
    }

    /// Applies the change. `None` if another request has issued an id meanwhile.
    pub(crate) fn apply(&self, meta: &Meta) -> Option<Meta> {
        let mut meta = meta.clone();
        if let Some(Issue { seen, now }) = self.issued {
            if meta.issued() != Some(seen) {
                return None;
            }
            meta.issued = Some(now);
        }
        meta.created = meta.created.or(self.created);
        if let Some(ttl) = self.ttl {
            meta.ttl = ttl.map(millis);
        }
        if self.login.is_some() {
            meta.login = self.login.clone().map(NotedLogin::read);
        }
        Some(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g10_text_that_is_not_metadata_says_nothing() {
        for text in [
            "",
            "junk",
            "{",
            "[1]",
            "null",
            r#"{"created":"x"}"#,
            r#"{"created":-1}"#,
            r#"{"created":1.5}"#,
            r#"{"ttl":0}"#,
            r#"{"ttl":315619200001}"#,
            r#"{"ttl":1e3}"#,
            r#"{"created":5,"created":6}"#,
            r#"{"created":5,"seen":1,"seen":2}"#,
        ] {
            assert_eq!(Meta::read(text), Meta::default(), "{text}");
        }
        assert_eq!(Meta::default().write(), None);
    }

    #[test]
    fn what_other_versions_have_noted_stays() {
        let meta = Meta::read(r#"{"user":"bob","created":5,"seen":[1]}"#);
        let change = MetaChange { ttl: Some(Some(Duration::from_secs(1))), ..Default::default() };
        let text = change.apply(&meta).unwrap().write().unwrap();
        assert_eq!(text, r#"{"created":5,"ttl":1000,"seen":[1],"user":"bob"}"#);
    }

    #[test]
    fn whose_session_it_is_stays_as_it_was_noted() {
        for (login, user) in [
            (r#"{"user":"b\u007db","at":7,"seen":[ 1 ]}"#, Some("b}b")),
            (r#"{"at":7}"#, None),
            (r#""$sealed:eszO""#, None),
        ] {
            let text = format!(r#"{{"created":5,"login":{login}}}"#);
            let meta = Meta::read(&text);
            assert_eq!((meta.created(), meta.user()), (Some(5), user));
            assert_eq!(meta.write().unwrap(), text);
        }
    }

    #[test]
    fn braces_in_strings_are_escaped() {
        let login = Login { user: r#"a{"}\"#.into(), at: 7 };
        let change = MetaChange { login: Some(login.to_json()), ..Default::default() };
        let text = change.apply(&Meta::default()).unwrap().write().unwrap();
        assert_eq!(text, r#"{"login":{"user":"a\u007b\"\u007d\\","at":7}}"#);
        assert_eq!(Meta::read(&text).login(), Some(&login));
    }

    #[test]
    fn the_creation_is_noted_once() {
        let change = |created| MetaChange { created: Some(created), ..Default::default() };
        let meta = change(7).apply(&Meta::default()).unwrap();
        assert_eq!(change(8).apply(&meta).unwrap().created(), Some(7));
    }

    #[test]
    fn one_of_several_claims_to_issue_an_id_is_granted() {
        let meta = Meta::read(r#"{"created":5}"#);
        let claim = |now| MetaChange { issued: Some(Issue { seen: 5, now }), ..Default::default() };
        let issued = claim(9).apply(&meta).unwrap();
        assert_eq!(issued.issued(), Some(9));
        assert_eq!(claim(10).apply(&issued), None);
    }

    #[test]
    fn a_later_change_replaces_an_earlier_one() {
        let ttl = |ttl| MetaChange { ttl: Some(ttl), ..Default::default() };
        let mut change = MetaChange { created: Some(1), ..ttl(Some(Duration::from_secs(1))) };
        change.extend(ttl(None));
        assert_eq!(change, MetaChange { created: Some(1), ..ttl(None) });
    }
}
