//! A request and its answer.

use std::time::Duration;

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
    pub(crate) fn is_end(&self) -> bool {
        matches!(self, Self::Logout | Self::EndOne(_) | Self::EndOthers | Self::EndAll)
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
