//! The record of a run.

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use super::rule::micros;

/// The id of a session.
pub(crate) type Id = Arc<str>;

/// Keys with the JSON text of their items.
pub(crate) type Items = BTreeMap<String, String>;

/// The item that [`Operation::Count`] changes, and no other operation.
pub(crate) const COUNT: &str = "count";

/// Microseconds since the start of the run, on the clock of the test process.
pub(crate) type Moment = u64;

/// All requests with their answers.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) events: Vec<Event>,
    /// The moments after which the store may have lost everything.
    pub(crate) losses: Vec<Moment>,
}

/// One request and its answer.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// The server, as an index.
    pub(crate) node: usize,
    /// The id in the request.
    pub(crate) claim: Option<Id>,
    pub(crate) operation: Operation,
    /// The time for which the handler waits between its first use of the session and its answer.
    pub(crate) wait: Duration,
    /// The moment before the request was sent.
    pub(crate) sent: Moment,
    /// The moment after the answer was received.
    pub(crate) answered: Moment,
    pub(crate) answer: Answer,
    /// The effect on the cookie.
    pub(crate) cookie: Cookie,
    /// How long the browser keeps the cookie. `None` until it is closed.
    pub(crate) cookie_age: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Sets items in one write. Each value is written only once in a run.
    Set(Items),
    /// Reads the whole session.
    Get,
    /// Reads one item.
    GetItem(String),
    /// Removes one item.
    Remove(String),
    /// Adds one to the item [`COUNT`] in one step.
    Count,
    /// Removes one item and returns it, in one step.
    Take(String),
    /// Ends the session.
    Logout,
    /// Renews the id and sets an item.
    Login(Items),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 to a write.
    Done,
    /// 200 to a [`Operation::Login`] that renewed the id; the new one is in the cookie.
    Renewed,
    /// 200 to [`Operation::Get`].
    Items(Items),
    /// 200 to [`Operation::Count`].
    Counted(u64),
    /// 200 to [`Operation::GetItem`] and [`Operation::Take`].
    Item(Option<String>),
    /// 409. The operation had no effect.
    Refused,
    /// 503 in the documented form. The operation may happen at any later time or never.
    Unavailable,
    /// No answer, because the connection was cut or refused. The operation may happen at any later
    /// time or never.
    Cut(String),
    /// Any other answer, which is a violation by itself.
    Unexpected(String),
    /// This answer, whose effect a failover may have undone in whole or in part.
    RolledBack(Box<Answer>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// No cookie.
    Unchanged,
    /// The cookie with the id in the request once more, so that the browser keeps it for longer.
    Rolled,
    /// A cookie with a new id.
    Issued(Id),
    /// An expired cookie, which deletes the id.
    Expired,
}

impl Event {
    /// Returns whether this event ended before the other began.
    pub(crate) fn precedes(&self, other: &Self) -> bool {
        self.answered < other.sent
    }

    /// Returns the earliest moment at which the server decided on the cookie.
    pub(crate) fn decided(&self) -> Moment {
        // A handler may fail before it waits.
        if self.is_uncertain() { self.sent } else { self.sent + micros(self.wait) }
    }

    /// Returns whether the operation may happen at any later time or never.
    pub(crate) fn is_uncertain(&self) -> bool {
        use Answer::{Cut, RolledBack, Unavailable, Unexpected};
        matches!(self.answer, Unavailable | Cut(_) | Unexpected(_) | RolledBack(_))
    }

    /// Returns the id in the cookie, if it is a new one.
    pub(crate) fn issued(&self) -> Option<&Id> {
        match &self.cookie {
            Cookie::Issued(id) => Some(id),
            _ => None,
        }
    }

    /// Returns the items that this operation sets.
    pub(crate) fn items_set(&self) -> Option<&Items> {
        match &self.operation {
            Operation::Set(items) | Operation::Login(items) => Some(items),
            _ => None,
        }
    }

    /// Returns whether the server has to ask the store.
    pub(crate) fn needs_the_store(&self) -> bool {
        self.claim.is_some() || self.items_set().is_some() || self.operation == Operation::Count
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brief = |id: &Id| id.chars().take(6).collect::<String>();
        let milliseconds = |moment: Moment| moment as f64 / 1000.0;
        write!(
            f,
            "{:>10.3} to {:>10.3} ms (wait {} ms), node {}: {} {} -> {}",
            milliseconds(self.sent),
            milliseconds(self.answered),
            self.wait.as_millis(),
            self.node,
            self.claim.as_ref().map_or("no id".to_owned(), brief),
            // Large values consist of this letter.
            format!("{:?}", self.operation).replace("yyyyyyyyyy", ""),
            format!("{:?}", self.answer).replace("yyyyyyyyyy", ""),
        )?;
        match &self.cookie {
            Cookie::Unchanged => Ok(()),
            Cookie::Rolled => f.write_str(", cookie rolled"),
            Cookie::Issued(id) => write!(f, ", now {}", brief(id)),
            Cookie::Expired => f.write_str(", cookie expired"),
        }
    }
}
