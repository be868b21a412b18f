//! The life of one session: from the answer that issued its id to whatever ended it.
//!
//! A session may have several ids, one after the other: a login moves it.

use super::record::{Answer, Cookie, Event, Id, Moment, Operation};

/// One session and everything that was asked under its ids.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) ids: Vec<Id>,
    /// The event that issued the first id, then those that claimed an id, in order of answers.
    pub(crate) events: Vec<usize>,
}

/// What an answer tells about the session that was claimed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sight {
    /// It was there at some moment between question and answer.
    There,
    /// It was not there at some moment between question and answer.
    Gone,
    /// It went while the request ran.
    Going,
    /// Nothing for certain.
    Nothing,
}

/// Something after which a session is no longer under an id, or may no longer be.
#[derive(Clone, Debug)]
pub(crate) struct End {
    pub(crate) event: Option<usize>,
    /// `None`: under none of its ids.
    pub(crate) of: Option<Id>,
    pub(crate) from: Moment,
    /// By then it was certainly over; `None` if it may still happen, or never.
    pub(crate) to: Option<Moment>,
}

pub(crate) fn sight(event: &Event) -> Sight {
    if event.claim.is_none() {
        return Sight::Nothing;
    }
    let issued = matches!(event.cookie, Cookie::Issued(_));
    let expired = event.cookie == Cookie::Expired;
    match (&event.operation, &event.answer) {
        (_, Answer::Refused) => Sight::Going,
        (_, Answer::Moved) => Sight::There,
        (_, Answer::Items(items)) if items.is_empty() => Sight::Gone,
        (_, Answer::Items(_) | Answer::Item(Some(_))) => Sight::There,
        (Operation::Set(_) | Operation::Login(_), Answer::Done) if issued => Sight::Gone,
        (Operation::Set(_), Answer::Done) => Sight::There,
        (Operation::Logout | Operation::Remove(_), Answer::Done) if expired => Sight::There,
        // A logout that finds no session may have been the end of it: a storage may ask twice.
        _ => Sight::Nothing,
    }
}

impl End {
    /// What `event` ended, or may have. `is_anchored`: the session has an item that nobody
    /// removes, so that removing others cannot end it.
    pub(crate) fn of(at: usize, event: &Event, is_anchored: bool) -> Option<Self> {
        let end = |of: Option<&Id>, to| {
            Some(Self { event: Some(at), of: of.cloned(), from: event.sent, to })
        };
        let claim = event.claim.as_ref();
        let is_undone = matches!(event.answer, Answer::Undone(_));
        if event.cookie == Cookie::Expired {
            return end(None, (!is_undone).then_some(event.answered));
        }
        match (&event.operation, &event.answer, &event.cookie) {
            (_, Answer::Moved, _) => end(claim, Some(event.answered)),
            // The move was made, only the item is uncertain.
            (Operation::Login(_), _, Cookie::Issued(_)) if event.is_unsure() && !is_undone => {
                end(claim, Some(event.answered))
            }
            (Operation::Logout, Answer::Done, _) => end(claim, Some(event.answered)),
            (Operation::Login(_) | Operation::Logout, ..) if event.is_unsure() => end(claim, None),
            (Operation::Remove(_), ..) if event.is_unsure() && !is_anchored => end(claim, None),
            _ => None,
        }
    }

    pub(crate) fn concerns(&self, id: &Id) -> bool {
        self.of.as_ref().is_none_or(|of| of == id)
    }

    /// Whether it may have happened by then.
    pub(crate) fn is_possible_by(&self, moment: Moment) -> bool {
        self.from <= moment
    }

    /// Whether it had certainly happened before.
    pub(crate) fn is_certain_before(&self, moment: Moment) -> bool {
        self.to.is_some_and(|to| to < moment)
    }
}
