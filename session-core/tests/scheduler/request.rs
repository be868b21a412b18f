//! Requests as short scripts over the public API.

use std::sync::Arc;

use session_core::{Closed, Error, Outcome, Session, SessionId, Snapshot};

use crate::{
    history::{Event, History},
    turns::Turns,
};

/// An operation of a script. A new one needs a variant here, a line in [`perform`], and
/// a rule about what it promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Get(&'static str),
    Data,
    Set(&'static str, u32),
    Remove(&'static str),
    /// Adds one to an item, with `update`.
    Count(&'static str),
    Take(&'static str),
    Save,
    /// Renews the id.
    Login,
    Logout,
    /// Closes early, while other strands of the request are still running.
    TryClose,
    /// The end of every request.
    Close,
    /// A use of the session after its end, which must be refused.
    Reuse,
}

impl Op {
    /// Returns whether this writes to an item.
    pub(crate) fn writes(self, item: &str) -> bool {
        matches!(self, Self::Set(key, _) | Self::Remove(key) | Self::Count(key) | Self::Take(key)
            if key == item)
    }
}

/// The ids that a request sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// The browser's cookie at the time.
    Cookie,
    /// The id of the first session, whatever has become of it.
    First,
    /// An id that nobody has issued, before the first one.
    InventedThenFirst,
    Invented,
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) name: &'static str,
    pub(crate) claim: Claim,
    /// Operations side by side.
    pub(crate) strands: Vec<Vec<Op>>,
    /// An operation that is polled once and then kept, until the request ends.
    pub(crate) kept: Option<Op>,
    /// Whether the request may be dropped wherever it waits.
    pub(crate) may_drop: bool,
    /// Whether an operation may be given up wherever it waits, and then repeated.
    pub(crate) may_repeat: bool,
}

impl Request {
    pub(crate) fn new(name: &'static str, ops: impl Into<Vec<Op>>) -> Self {
        Self {
            name,
            claim: Claim::Cookie,
            strands: vec![ops.into()],
            kept: None,
            may_drop: false,
            may_repeat: false,
        }
    }

    pub(crate) fn claims(self, claim: Claim) -> Self {
        Self { claim, ..self }
    }

    /// Adds operations that run beside the others.
    pub(crate) fn beside(mut self, ops: impl Into<Vec<Op>>) -> Self {
        self.strands.push(ops.into());
        self
    }

    pub(crate) fn keeps(self, op: Op) -> Self {
        Self { kept: Some(op), ..self }
    }

    pub(crate) fn may_drop(self) -> Self {
        Self { may_drop: true, ..self }
    }

    pub(crate) fn may_repeat(self) -> Self {
        Self { may_repeat: true, ..self }
    }

    pub(crate) fn does(&self, is_it: impl Fn(Op) -> bool) -> bool {
        self.strands.iter().flatten().copied().any(is_it)
    }
}

/// What an operation has answered.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    Done,
    /// Whether anything was read.
    Found(bool),
    /// The new value of an item.
    Counted(u32),
    /// Whether anything was taken.
    Taken(bool),
    Renewed(Option<SessionId>),
    Failed(Failure),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    Vanished,
    IdTaken,
    Closed,
    Timeout,
    Other,
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Vanished => Self::Vanished,
            Error::IdTaken => Self::IdTaken,
            Error::Closed => Self::Closed,
            Error::Timeout => Self::Timeout,
            _ => Self::Other,
        }
    }
}

/// Performs an operation other than those that end a request.
async fn perform(session: &Session, op: Op) -> Answer {
    let answer = match op {
        Op::Get(key) => session.get::<u32>(key).await.map(|item| Answer::Found(item.is_some())),
        Op::Data => {
            session.data().await.map(|items: Option<Snapshot>| Answer::Found(items.is_some()))
        }
        Op::Set(key, value) => session.set(key, value).await.map(|()| Answer::Done),
        Op::Remove(key) => session.remove(key).await.map(|()| Answer::Done),
        Op::Count(key) => session.update_or(key, 0, |count| count + 1).await.map(Answer::Counted),
        Op::Take(key) => session.take::<u32>(key).await.map(|item| Answer::Taken(item.is_some())),
        Op::Save => session.save().await.map(|()| Answer::Done),
        Op::Login => session.regenerate_id().await.map(Answer::Renewed),
        Op::Logout => session.remove_all().await.map(|()| Answer::Done),
        Op::Reuse => session.set("reused", 1).await.map(|()| Answer::Done),
        Op::TryClose | Op::Close => unreachable!("answered by a response"),
    };
    answer.unwrap_or_else(|error| Answer::Failed(Failure::from(&error)))
}

/// Performs the operations of a strand, one after the other.
pub(crate) async fn perform_all(
    session: Session,
    request: usize,
    ops: Vec<Op>,
    turns: Arc<Turns>,
    history: Arc<History>,
) {
    for op in ops {
        turns.begin(op);
        let closed = match op {
            Op::TryClose => session.try_close(),
            Op::Close if history.record().has_responded(request) => None,
            Op::Close => Some(session.close().await),
            _ => {
                let answer = turns.repeat(|| perform(&session, op)).await;
                let is_failure = matches!(answer, Answer::Failed(_));
                history.push(Event::Answered { request, op, answer });
                if is_failure {
                    // A handler ends with `?`.
                    return;
                }
                continue;
            }
        };
        if let Some(closed) = closed {
            let response = respond(&session, closed).await;
            history.push(Event::Responded { request, response });
        }
    }
}

/// The response to a request, as far as its session is concerned.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) cookie: Cookie,
    /// The session that the request has used.
    pub(crate) id: Option<SessionId>,
    pub(crate) failure: Option<Failure>,
}

/// What a response does to the browser's cookie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    Untouched,
    Sent(SessionId),
    /// The same cookie with a new age.
    Rolled(SessionId),
    Removed,
}

/// Turns the end of a session into a response, as the middleware of actix-web does with a cookie
/// that has an age.
async fn respond(session: &Session, closed: Closed) -> Response {
    let failure = closed.failure.as_ref().map(Failure::from);
    let limit = closed.time_left;
    let (cookie, id) = match closed.outcome {
        Outcome::Issued { id } => (Cookie::Sent(id.clone()), Some(id)),
        Outcome::Kept { id, roll } => {
            let rolls = roll && session.manager().extend(&id, limit).await;
            (if rolls { Cookie::Rolled(id.clone()) } else { Cookie::Untouched }, Some(id))
        }
        Outcome::Ended => (Cookie::Removed, None),
        _ => (Cookie::Untouched, None),
    };
    Response { cookie, id, failure }
}
