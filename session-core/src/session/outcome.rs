//! The result of closing a session.

use std::time::Duration;

use crate::{Error, SessionId};

/// The result of closing a session: what to tell the client, and what failed.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "the outcome decides the cookie, and a failure the response"]
pub struct Closed {
    /// Decides the client's cookie.
    pub outcome: Outcome,
    /// The first failure of the session, which must replace a successful response: by 409 Conflict
    /// for [`Error::Vanished`] and [`Error::IdTaken`], otherwise by 503 Service Unavailable.
    pub failure: Option<Error>,
    /// Whether an operation of the session was called, so that the response may depend on it and on
    /// the id that the client sent. Caches have to know (`Vary: Cookie`).
    pub was_used: bool,
    /// How long the request may still wait for the store: what its session has left of the
    /// manager's timeout.
    pub time_left: Duration,
    /// How long the session lives unless it is used again, which a persistent cookie has to
    /// outlast. `None` if this request has not read the metadata that tells:
    /// [`Manager::confirm`](crate::Manager::confirm) does.
    pub ttl: Option<Duration>,
    /// Whether the session is known to have a [time to live of its own](crate::Session::set_ttl),
    /// which its cookie follows.
    pub has_own_ttl: bool,
    /// Whether this request has set the session's own time to live, so that its cookie changes.
    pub sets_ttl: bool,
}

/// The effect of a request on its session, as the client has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The session does not exist or was not used. The client keeps its cookie, if any.
    Untouched,
    /// The session was read or written under the id that the client knows.
    Kept {
        /// The id.
        id: SessionId,
        /// Whether to send a cookie with an expiry again, so that its expiry follows the session's.
        /// True at most once per touch interval, and if the session's own time to live was set.
        roll: bool,
    },
    /// The session is new or was renewed. The client must be sent this id.
    Issued {
        /// The id.
        id: SessionId,
    },
    /// The client's session has ended. Its cookie must be removed.
    Ended,
}
