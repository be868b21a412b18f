//! All requests of one session, and the events that end it.
//!
//! A session may have several ids in succession, because a login renews the id, and because ids are
//! renewed by themselves.

use std::collections::HashMap;

use super::record::{Answer, Cookie, Event, Id, Moment, Operation};

/// A session and all requests with its ids.
#[derive(Debug)]
pub(crate) struct SessionTrace {
    pub(crate) ids: Vec<Id>,
    /// For each id told by a renewal by itself, the id before.
    pub(crate) parents: HashMap<Id, Id>,
    /// The event that issued the first id, then those that claimed an id, in the order of answers.
    pub(crate) events: Vec<usize>,
}

/// The conclusion from an answer about the claimed session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The session existed at some moment during the request.
    Present,
    /// The session did not exist at some moment during the request.
    Absent,
    /// The session ended during the request.
    Vanished,
    /// No conclusion.
    Unknown,
}

/// A certain or possible end of a session under one or all of its ids.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) event: Option<usize>,
    /// The ids that are no longer valid. `None` for all ids.
    pub(crate) of: Option<Vec<Id>>,
    /// Whether it is the end of the grace of one id, and the session goes on under another.
    pub(crate) is_of_grace: bool,
    /// The earliest moment of the end.
    pub(crate) from: Moment,
    /// The latest moment of the end. `None` if it may happen at any later time or never.
    pub(crate) to: Option<Moment>,
}

impl SessionTrace {
    /// Returns the ids with which a renewal by itself connects this one. All of them lead to the
    /// session until a login or a logout ends them together, or a grace one of them.
    pub(crate) fn line(&self, id: &Id) -> Vec<Id> {
        let first = self.first_of_line(id);
        let ids = self.ids.iter().filter(|other| self.first_of_line(other) == first);
        ids.cloned().collect()
    }

    fn first_of_line<'a>(&'a self, id: &'a Id) -> &'a Id {
        self.parents.get(id).map_or(id, |parent| self.first_of_line(parent))
    }

    /// Returns the id that the request was told because its own was renewed by itself.
    pub(crate) fn told<'e>(&self, event: &'e Event) -> Option<&'e Id> {
        let id = event.issued()?;
        let is_told = event.claim.is_some() && !matches!(event.operation, Operation::Login(_));
        (is_told && self.parents.contains_key(id)).then_some(id)
    }

    /// Draws the conclusion from an answer. `is_anchored` means that the session has an item that
    /// is never removed: only then is an answer without items one without a session.
    pub(crate) fn evidence(&self, event: &Event, is_anchored: bool) -> Evidence {
        if self.told(event).is_some() { Evidence::Present } else { evidence(event, is_anchored) }
    }
}

/// Draws the conclusion from an answer that tells no id after a renewal by itself.
pub(crate) fn evidence(event: &Event, is_anchored: bool) -> Evidence {
    if event.claim.is_none() {
        return Evidence::Unknown;
    }
    let issued = matches!(event.cookie, Cookie::Issued(_));
    let expired = event.cookie == Cookie::Expired;
    match (&event.operation, &event.answer) {
        (_, Answer::Refused) => Evidence::Vanished,
        (_, Answer::Renewed) => Evidence::Present,
        (_, Answer::Items(items)) if items.is_empty() => {
            if is_anchored {
                Evidence::Absent
            } else {
                Evidence::Unknown
            }
        }
        (_, Answer::Items(_) | Answer::Item(Some(_))) => Evidence::Present,
        (Operation::Set(_) | Operation::Login(_), Answer::Done) if issued => Evidence::Absent,
        (_, Answer::Counted(_)) if issued => Evidence::Absent,
        (Operation::Set(_), Answer::Done) | (_, Answer::Counted(_)) => Evidence::Present,
        (Operation::Logout, Answer::Done) if expired => Evidence::Present,
        // Removing an item, the last one too, ends no session.
        (Operation::Remove(_), Answer::Done) if expired => Evidence::Vanished,
        // A logout that finds no session may have ended it itself: a storage may retry.
        _ => Evidence::Unknown,
    }
}

impl End {
    /// Returns the end that `event` causes or may cause. `line`: the claimed id, and those with
    /// which a renewal by itself connects it.
    pub(crate) fn of(at: usize, event: &Event, line: Vec<Id>) -> Option<Self> {
        let end = |of: Option<Vec<Id>>, to| {
            Some(Self { event: Some(at), of, is_of_grace: false, from: event.sent, to })
        };
        let claim = Some(line);
        let is_undone = matches!(event.answer, Answer::RolledBack(_));
        if event.cookie == Cookie::Expired {
            return end(None, (!is_undone).then_some(event.answered));
        }
        match (&event.operation, &event.answer, &event.cookie) {
            (_, Answer::Renewed, _) => end(claim, Some(event.answered)),
            // The id was renewed; only the write of the item is uncertain.
            (Operation::Login(_), _, Cookie::Issued(_)) if event.is_uncertain() && !is_undone => {
                end(claim, Some(event.answered))
            }
            (Operation::Logout, Answer::Done, _) => end(claim, Some(event.answered)),
            (Operation::Login(_) | Operation::Logout, ..) if event.is_uncertain() => {
                end(claim, None)
            }
            _ => None,
        }
    }

    pub(crate) fn concerns(&self, id: &Id) -> bool {
        self.of.as_ref().is_none_or(|of| of.contains(id))
    }

    /// Returns whether the end may have happened by this moment.
    pub(crate) fn is_possible_by(&self, moment: Moment) -> bool {
        self.from <= moment
    }

    /// Returns whether the end has certainly happened before this moment.
    pub(crate) fn is_certain_before(&self, moment: Moment) -> bool {
        self.to.is_some_and(|to| to < moment)
    }
}
