//! Questions about a run that has ended.

use session_core::{SessionId, Snapshot};

use crate::{
    case::Case,
    history::{Event, Record, Stored},
    request::{Answer, Op, Response},
    turns::Doing,
};

pub(crate) struct Facts<'a> {
    pub(crate) case: &'a Case,
    pub(crate) record: &'a Record,
    pub(crate) first: &'a SessionId,
    pub(crate) is_whole: bool,
}

/// The end of a session under one id.
pub(crate) struct End<'a> {
    pub(crate) time: usize,
    /// The request that has ended it, unless it has expired.
    pub(crate) by: Option<Doing>,
    /// How the session has moved to another id. Otherwise it is gone.
    pub(crate) renewal: Option<Renewal<'a>>,
}

/// The move of a session to another id.
#[derive(Clone, Copy)]
pub(crate) struct Renewal<'a> {
    pub(crate) to: &'a SessionId,
    /// Whether the old id leads to the new one, as after a renewal by itself.
    pub(crate) is_followed: bool,
}

impl End<'_> {
    /// Returns whether it is a login's: the old id leads nowhere.
    pub(crate) fn is_login(&self) -> bool {
        self.renewal.is_some_and(|renewal| !renewal.is_followed)
    }

    /// Returns whether requests with the old id go on in the session.
    pub(crate) fn is_followed(&self) -> bool {
        self.renewal.is_some_and(|renewal| renewal.is_followed)
    }

    pub(crate) fn request(&self) -> Option<usize> {
        self.by.map(|by| by.request)
    }
}

impl<'a> Facts<'a> {
    fn events(&self) -> impl DoubleEndedIterator<Item = (usize, &'a Event)> + use<'a> {
        self.record.events.iter().enumerate()
    }

    pub(crate) fn name(&self, request: usize) -> &'static str {
        self.case.requests[request].name
    }

    pub(crate) fn started(&self, number: usize) -> Option<usize> {
        self.events().find_map(|(time, event)| match event {
            Event::Started { request, .. } if *request == number => Some(time),
            _ => None,
        })
    }

    pub(crate) fn claims(&self, number: usize) -> &'a [SessionId] {
        let claims = self.events().find_map(|(_, event)| match event {
            Event::Started { request, claims } if *request == number => Some(claims),
            _ => None,
        });
        claims.map_or(&[], Vec::as_slice)
    }

    /// Returns the ids that a request has generated.
    pub(crate) fn generated(&self, number: usize) -> impl Iterator<Item = (usize, &'a SessionId)> {
        self.events().filter_map(move |(time, event)| match event {
            Event::Generated { request, id } if *request == number => Some((time, id)),
            _ => None,
        })
    }

    pub(crate) fn answers(&self) -> impl Iterator<Item = (usize, usize, Op, &'a Answer)> + use<'a> {
        self.events().filter_map(|(time, event)| match event {
            Event::Answered { request, op, answer } => Some((time, *request, *op, answer)),
            _ => None,
        })
    }

    /// Returns the operations that a request has performed without an error before its response.
    pub(crate) fn done(&self, number: usize) -> Vec<(usize, Op)> {
        let end = self.response(number).map_or(usize::MAX, |(time, _)| time);
        let is_done = |answer: &Answer| !matches!(answer, Answer::Failed(_));
        let done = self.answers().filter(|(time, request, _, answer)| {
            *request == number && *time < end && is_done(answer)
        });
        done.map(|(time, _, op, _)| (time, op)).collect()
    }

    pub(crate) fn responses(&self) -> impl Iterator<Item = (usize, usize, &'a Response)> + use<'a> {
        self.events().filter_map(|(time, event)| match event {
            Event::Responded { request, response } => Some((*request, time, response)),
            _ => None,
        })
    }

    pub(crate) fn response(&self, number: usize) -> Option<(usize, &'a Response)> {
        let found = self.responses().find(|(request, ..)| *request == number);
        found.map(|(_, time, response)| (time, response))
    }

    pub(crate) fn was_dropped(&self, number: usize) -> bool {
        let is_it =
            |event: &Event| matches!(event, Event::Dropped { request } if *request == number);
        self.record.events.iter().any(is_it)
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.record.events.iter().any(|event| matches!(event, Event::Stuck))
    }

    pub(crate) fn has_expired(&self) -> bool {
        self.record.ids.iter().any(|id| self.ends(id).any(|end| end.by.is_none()))
    }

    /// Returns the last proof that a request has got for a cookie, with its time.
    pub(crate) fn proof(&self, number: usize, of: &SessionId) -> Option<(usize, bool)> {
        self.events().rev().find_map(|(time, event)| match event {
            Event::Proved { request, id, exists } if *request == number && id == of => {
                Some((time, *exists))
            }
            _ => None,
        })
    }

    pub(crate) fn changes(
        &self,
    ) -> impl DoubleEndedIterator<Item = (usize, Option<Doing>, &'a [(SessionId, Stored)])> {
        self.events().filter_map(|(time, event)| match event {
            Event::Changed { by, changes } => Some((time, *by, changes.as_slice())),
            _ => None,
        })
    }

    /// Returns the session that was stored under an id at a time.
    pub(crate) fn at(&self, id: &SessionId, time: usize) -> Option<&'a Snapshot> {
        let mut earlier = self.changes().rev().filter(|(at, ..)| *at <= time);
        let stored = earlier.find_map(|(_, _, changes)| {
            changes.iter().find_map(|(changed, stored)| (changed == id).then_some(stored))
        });
        stored?.as_ref()
    }

    /// Returns the session that is stored under an id in the end.
    pub(crate) fn last(&self, id: &SessionId) -> Option<&'a Snapshot> {
        self.record.stored.get(id)
    }

    pub(crate) fn was_stored(&self, id: &SessionId) -> bool {
        self.changes().any(|(_, _, changes)| changes.iter().any(|(changed, _)| changed == id))
    }

    /// Returns the times at which the session under an id has ended. There should be at most one.
    pub(crate) fn ends(&self, id: &SessionId) -> impl Iterator<Item = End<'a>> {
        self.changes().filter_map(move |(time, by, changes)| {
            let ends = changes.iter().any(|(changed, stored)| changed == id && stored.is_none());
            ends.then(|| End { time, by, renewal: self.renewal(id, by, time) })
        })
    }

    /// Returns the renewal by which a request has ended the session under an id, if it has so.
    fn renewal(&self, id: &SessionId, by: Option<Doing>, time: usize) -> Option<Renewal<'a>> {
        let by = by.filter(|by| by.op != Op::Logout)?;
        self.record.events[..time].iter().rev().find_map(|event| match event {
            Event::Moving { request, from, to, is_followed }
                if *request == by.request && from == id =>
            {
                Some(Renewal { to, is_followed: *is_followed })
            }
            _ => None,
        })
    }

    /// Returns the id to which the session was renewed, in how many steps ever.
    pub(crate) fn successor(&self, id: &SessionId) -> SessionId {
        let renewal = self.ends(id).find_map(|end| end.renewal);
        renewal.map_or_else(|| id.clone(), |renewal| self.successor(renewal.to))
    }

    /// Returns an id and those that it leads to at a time, in their order.
    pub(crate) fn chain(&self, id: &SessionId, time: usize) -> Vec<SessionId> {
        let mut chain = vec![id.clone()];
        let next = |id: &SessionId| {
            let mut ends = self.ends(id).filter(|end| end.time <= time && end.is_followed());
            ends.find_map(|end| end.renewal.map(|renewal| renewal.to.clone()))
        };
        while let Some(id) = next(&chain[chain.len() - 1]) {
            chain.push(id);
        }
        chain
    }

    /// Returns the id that an id leads to at a time.
    pub(crate) fn leads_to(&self, id: &SessionId, time: usize) -> SessionId {
        self.chain(id, time).pop().expect("it begins with the id itself")
    }

    /// Returns the session that a request with this id would have found at a time.
    pub(crate) fn reached(&self, id: &SessionId, time: usize) -> Option<&'a Snapshot> {
        self.at(&self.leads_to(id, time), time)
    }

    /// Returns the time of the absolute end, if that has come.
    pub(crate) fn over(&self) -> Option<usize> {
        self.events().find_map(|(time, event)| matches!(event, Event::Over).then_some(time))
    }

    /// Returns the ids that a client may know: the first one, and those answered by a login or in a
    /// response.
    pub(crate) fn told(&self) -> Vec<&'a SessionId> {
        let is_told = |id: &&SessionId| {
            let by_login = self.answers().any(
                |(_, _, _, answer)| matches!(answer, Answer::Renewed(Some(new)) if new == *id),
            );
            let in_response =
                self.responses().any(|(_, _, response)| response.id.as_ref() == Some(*id));
            *id == self.first_of_record() || by_login || in_response
        };
        self.record.ids.iter().filter(is_told).collect()
    }

    fn first_of_record(&self) -> &'a SessionId {
        &self.record.ids[0]
    }
}
