//! A request and its answer.

use std::time::Duration;

use serde_json::Value;

/// An item that every login sets and no other request, so that a read shows whose session it is.
const ITEM_OF_LOGINS: &str = "address";

/// What a request asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Operation {
    Login(String),
    /// Sets the item `a` to a number that is set only once.
    Set(u64),
    Get,
    List,
    Logout,
    /// Ends the session with this fingerprint.
    EndOne(String),
    EndOthers,
    EndAll,
}

impl Operation {
    pub(crate) fn is_read(&self) -> bool {
        matches!(self, Self::Get | Self::List)
    }

    /// Whether it ends sessions of the user by `/sessions/end`.
    pub(crate) fn is_end_by_user(&self) -> bool {
        matches!(self, Self::EndOne(_) | Self::EndOthers | Self::EndAll)
    }

    pub(crate) fn is_end(&self) -> bool {
        *self == Self::Logout || self.is_end_by_user()
    }

    pub(crate) fn path(&self) -> String {
        match self {
            Self::Login(user) => format!("/login?user={user}"),
            Self::Set(number) => format!("/set?a={number}"),
            Self::Get => "/get".to_owned(),
            Self::List => "/sessions".to_owned(),
            Self::Logout => "/logout".to_owned(),
            Self::EndOne(fingerprint) => format!("/sessions/end?id={fingerprint}"),
            Self::EndOthers => "/sessions/end?others=true".to_owned(),
            Self::EndAll => "/sessions/end?all=true".to_owned(),
        }
    }
}

/// A request with its answer. Times are since the start of the run.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) operation: Operation,
    /// The id that was sent.
    pub(crate) claim: Option<String>,
    /// The id in `Set-Cookie`, unless the cookie was removed or left alone.
    pub(crate) told: Option<String>,
    /// 0 if there was no answer.
    pub(crate) status: u16,
    pub(crate) body: String,
    pub(crate) start: Duration,
    pub(crate) end: Duration,
}

impl Event {
    pub(crate) fn claim(&self) -> Option<&str> {
        self.claim.as_deref()
    }

    /// Returns the id that was told, unless a login has issued it.
    pub(crate) fn told_without_login(&self) -> Option<&str> {
        self.told.as_deref().filter(|_| !matches!(self.operation, Operation::Login(_)))
    }

    /// Returns whether the request was not answered, or that it may take effect later.
    pub(crate) fn is_uncertain(&self) -> bool {
        matches!(self.status, 0 | 503)
    }

    /// Returns whether the answer shows an item or a session.
    pub(crate) fn shows(&self) -> bool {
        match self.json() {
            Some(Value::Object(items)) => !items.is_empty(),
            Some(Value::Array(sessions)) => !sessions.is_empty(),
            _ => false,
        }
    }

    /// Returns whether the answer shows that the session is a user's, or that it is nobody's.
    pub(crate) fn shows_a_user(&self) -> Option<bool> {
        if self.status != 200 || !self.shows() {
            return None;
        }
        match self.operation {
            Operation::Get => Some(self.json()?.get(ITEM_OF_LOGINS).is_some()),
            Operation::List => Some(true),
            _ => None,
        }
    }

    /// Returns the number in the item `a`.
    pub(crate) fn number(&self) -> Option<u64> {
        self.json()?.get("a")?.as_u64()
    }

    /// Returns the fingerprints in a list, and whether each is the current one.
    pub(crate) fn fingerprints(&self) -> Vec<(String, bool)> {
        fingerprints(&self.body)
    }

    fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }
}

/// Returns the fingerprints in a list, and whether each is the current one.
pub(crate) fn fingerprints(body: &str) -> Vec<(String, bool)> {
    let Ok(Value::Array(sessions)) = serde_json::from_str(body) else { return Vec::new() };
    let fingerprint = |session: &Value| {
        Some((session["fingerprint"].as_str()?.to_owned(), session["current"] == true))
    };
    sessions.iter().filter_map(fingerprint).collect()
}
