//! What is recorded of a run.

use std::{collections::BTreeMap, fmt, sync::Arc};

/// The id of a session.
pub(crate) type Id = Arc<str>;

/// Keys with the JSON text of their items.
pub(crate) type Items = BTreeMap<String, String>;

/// Microseconds since the run began, by the one clock of the process that asks.
pub(crate) type Moment = u64;

/// Every request and its answer.
#[derive(Debug, Default)]
pub(crate) struct History {
    pub(crate) events: Vec<Event>,
    /// From when on the store may have lost everything; nothing else may lose anything.
    pub(crate) losses: Vec<Moment>,
}

/// One request and what was answered.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    /// Which server was asked.
    pub(crate) node: usize,
    /// The id that was sent along.
    pub(crate) claim: Option<Id>,
    pub(crate) operation: Operation,
    /// Before the first byte left.
    pub(crate) sent: Moment,
    /// After the last byte came.
    pub(crate) answered: Moment,
    pub(crate) answer: Answer,
    /// What became of the cookie.
    pub(crate) cookie: Cookie,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Sets items in one write. No two writes of a run set the same value.
    Set(Items),
    /// Reads the whole session.
    Get,
    /// Reads one item.
    GetItem(String),
    /// Removes one item.
    Remove(String),
    /// Ends the session.
    Logout,
    /// Renews the id and sets an item.
    Login(Items),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200 to a write.
    Done,
    /// 200 to a [`Operation::Login`]: the session has moved to the id in the cookie.
    Moved,
    /// 200 to [`Operation::Get`].
    Items(Items),
    /// 200 to [`Operation::GetItem`].
    Item(Option<String>),
    /// 409: it has not happened.
    Refused,
    /// 503, in its proper form: it may happen yet, or never.
    Unsure,
    /// No answer: the connection was cut or refused. It may happen yet, or never.
    Cut(String),
    /// Anything else, which is a fault by itself.
    Wrong(String),
    /// This, which a store that has failed over since may have forgotten, all of it or a part.
    Undone(Box<Answer>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cookie {
    /// None was sent, or the same id again.
    Kept,
    /// A new id.
    Issued(Id),
    /// The client was told to forget its id.
    Expired,
}

impl Event {
    /// Whether this one was over before the other began.
    pub(crate) fn precedes(&self, other: &Self) -> bool {
        self.answered < other.sent
    }

    /// Whether it may happen yet, or never.
    pub(crate) fn is_unsure(&self) -> bool {
        use Answer::{Cut, Undone, Unsure, Wrong};
        matches!(self.answer, Unsure | Cut(_) | Wrong(_) | Undone(_))
    }

    /// The items this sets, if it sets any.
    pub(crate) fn items_set(&self) -> Option<&Items> {
        match &self.operation {
            Operation::Set(items) | Operation::Login(items) => Some(items),
            _ => None,
        }
    }

    /// Whether answering this takes a question to the store.
    pub(crate) fn needs_the_store(&self) -> bool {
        self.claim.is_some() || self.items_set().is_some()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let brief = |id: &Id| id.chars().take(6).collect::<String>();
        let milliseconds = |moment: Moment| moment as f64 / 1000.0;
        write!(
            f,
            "{:>10.3} to {:>10.3} ms, node {}: {} {} -> {}",
            milliseconds(self.sent),
            milliseconds(self.answered),
            self.node,
            self.claim.as_ref().map_or("nobody".to_owned(), brief),
            // Large values are of one letter.
            format!("{:?}", self.operation).replace("yyyyyyyyyy", ""),
            format!("{:?}", self.answer).replace("yyyyyyyyyy", ""),
        )?;
        match &self.cookie {
            Cookie::Kept => Ok(()),
            Cookie::Issued(id) => write!(f, ", now {}", brief(id)),
            Cookie::Expired => f.write_str(", cookie expired"),
        }
    }
}
