//! How a session was left at the end of its request.

use crate::{Error, SessionId};

/// How a session was left: what to tell the client, and what went wrong.
#[derive(Debug)]
#[non_exhaustive]
#[must_use = "the client has to be told"]
pub struct Closed {
    /// What the client's cookie must become.
    pub outcome: Outcome,
    /// Why the request must not be answered as if it had succeeded: [`Error::Vanished`] and
    /// [`Error::IdTaken`] call for 409 Conflict, everything else for 503 Service Unavailable.
    pub failure: Option<Error>,
}

/// What a request did to its session, as far as its client is concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// Not used, or there is none; the client keeps what it has.
    Untouched,
    /// Read or written under the id that the client knows.
    Kept {
        /// The id.
        id: SessionId,
        /// A cookie with an expiry is to be sent again, so that it goes on in step with the
        /// session. True at most once a touch interval.
        roll: bool,
    },
    /// The client must be told this id: the session is new or has been renewed.
    Issued {
        /// The id.
        id: SessionId,
    },
    /// The client's session is over; its cookie has to go.
    Ended,
}
