//! Checks that sessions exist when they must, and only then.

use std::collections::{BTreeSet, HashMap};

use super::{
    checker::Checker,
    record::{Event, Id, Moment, Operation},
    rule::{Expiry, Rule, micros},
    session_trace::{End, Evidence, SessionTrace, evidence},
};

impl Checker<'_> {
    /// Returns everything that ended the session or may have ended it.
    pub(super) fn ends(&self, trace: &SessionTrace) -> Vec<End> {
        let ends = trace.events.iter().filter_map(|&at| {
            // The event that issued the first id may claim the session before this one.
            let event = self.event(at);
            let claimed = event.claim.as_ref().is_some_and(|claim| trace.ids.contains(claim));
            claimed.then(|| End::of(at, event)).flatten()
        });
        let lost = self.history.losses.iter();
        let lost = lost.map(|&from| End { event: None, of: None, from, to: None });
        ends.chain(lost).collect()
    }

    /// Returns whether the first write of the session set an item that is never removed.
    pub(super) fn is_anchored(&self, trace: &SessionTrace) -> bool {
        let removed: BTreeSet<&str> = trace
            .events
            .iter()
            .filter_map(|&at| match &self.event(at).operation {
                Operation::Remove(key) => Some(key.as_str()),
                _ => None,
            })
            .collect();
        let first = self.event(trace.events[0]).items_set();
        first.is_some_and(|items| items.keys().any(|key| !removed.contains(key.as_str())))
    }

    /// Checks that the session existed when it had to, and only then.
    pub(super) fn check_presence(&mut self, trace: &SessionTrace, ends: &[End]) {
        let mut first_absence: HashMap<&Id, (Moment, usize)> = HashMap::new();
        let (mut uses, is_anchored) = (Uses::default(), self.is_anchored(trace));
        // In the order of answers, so `first_absence` is complete for each request.
        for &at in &trace.events {
            let event = self.event(at);
            let Some(claim) = event.claim.as_ref().filter(|claim| trace.ids.contains(claim)) else {
                uses.add(event, true);
                continue;
            };
            let evidence = evidence(event, is_anchored);
            let may_have_ended = ends
                .iter()
                .filter(|end| end.event != Some(at))
                .any(|end| end.concerns(claim) && end.is_possible_by(event.answered));
            match evidence {
                Evidence::Present => {
                    let over =
                        |end: &&End| end.concerns(claim) && end.is_certain_before(event.sent);
                    if let Some(end) = ends.iter().find(over) {
                        self.broken(Rule::LogoutIsFinal, end.event.into_iter().chain([at]));
                    } else if let Some(&(_, absence)) =
                        first_absence.get(claim).filter(|(moment, _)| *moment < event.sent)
                    {
                        self.broken(Rule::LogoutIsFinal, [absence, at]);
                    }
                    if self
                        .expiry
                        .is_some_and(|expiry| uses.must_have_expired_before(event, expiry))
                    {
                        self.broken(Rule::ExpiryIsExact, uses.last.into_iter().chain([at]));
                    }
                }
                Evidence::Absent | Evidence::Vanished if !may_have_ended => match self.expiry {
                    Some(expiry) if uses.may_have_expired_by(event, expiry) => {}
                    Some(_) => {
                        self.broken(Rule::ExpiryIsExact, uses.last.into_iter().chain([at]));
                    }
                    None => self.broken(Rule::OnlyEndedSessionsEnd, [trace.events[0], at]),
                },
                _ => {}
            }
            if evidence == Evidence::Absent {
                first_absence.entry(claim).or_insert((event.answered, at));
            }
            uses.add_at(at, event, evidence == Evidence::Present);
        }
    }
}

/// The uses of a session, in the order of answers.
#[derive(Default)]
struct Uses {
    /// The time when the last certain use was sent.
    certain: Moment,
    last: Option<usize>,
    /// The time of the last possible use.
    possible: Moment,
    is_uncertain: bool,
}

impl Uses {
    fn add(&mut self, event: &Event, was_present: bool) {
        if was_present {
            self.certain = self.certain.max(event.sent);
        }
        self.possible = self.possible.max(event.answered);
        self.is_uncertain |= event.is_uncertain();
    }

    fn add_at(&mut self, at: usize, event: &Event, was_present: bool) {
        if was_present && event.sent >= self.certain {
            self.last = Some(at);
        }
        self.add(event, was_present);
    }

    /// Returns whether the session may have expired by the end of this request.
    fn may_have_expired_by(&self, event: &Event, expiry: Expiry) -> bool {
        event.answered >= self.certain + micros(expiry.ttl.saturating_sub(expiry.tolerance))
    }

    /// Returns whether the session must have expired before this request.
    fn must_have_expired_before(&self, event: &Event, expiry: Expiry) -> bool {
        !self.is_uncertain && event.sent > self.possible + micros(expiry.ttl + expiry.tolerance)
    }
}
