//! Checks that sessions exist when they must, and only then.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use super::{
    checker::Checker,
    record::{Answer, Cookie, Event, Id, Moment, Operation},
    renewals::Retired,
    rule::{Expiry, Rule, micros},
    session_trace::{End, Evidence, SessionTrace},
};

impl Checker<'_> {
    /// Returns everything that ended the session or may have ended it.
    pub(super) fn ends(&self, trace: &SessionTrace, retired: &[Retired]) -> Vec<End> {
        let graces: Vec<End> = retired.iter().map(Retired::end).collect();
        let ends = trace.events.iter().flat_map(|&at| {
            // The event that issued the first id may claim the session before this one.
            let event = self.event(at);
            let claim = event.claim.as_ref().filter(|claim| trace.ids.contains(claim));
            claim.map(|claim| ends_of(at, event, claim, trace, &graces)).unwrap_or_default()
        });
        let lost = self.history.losses.iter();
        let lost =
            lost.map(|&from| End { event: None, of: None, is_of_grace: false, from, to: None });
        ends.chain(lost).chain(graces.clone()).collect()
    }

    /// Returns whether the first write of the session set an item that is never removed.
    pub(super) fn is_anchored(&self, trace: &SessionTrace) -> bool {
        let removed: BTreeSet<&str> = trace
            .events
            .iter()
            .filter_map(|&at| match &self.event(at).operation {
                Operation::Remove(key) | Operation::Take(key) => Some(key.as_str()),
                _ => None,
            })
            .collect();
        let first = self.event(trace.events[0]).items_set();
        first.is_some_and(|items| items.keys().any(|key| !removed.contains(key.as_str())))
    }

    /// Returns the uses of the session before each of its events.
    pub(super) fn uses(&self, trace: &SessionTrace) -> Vec<Uses> {
        let is_anchored = self.is_anchored(trace);
        let mut uses = Uses::default();
        let before = trace.events.iter().map(|&at| {
            let (before, event) = (uses, self.event(at));
            // The event that issued the first id has made the session.
            let is_its = event.claim.as_ref().is_some_and(|claim| trace.ids.contains(claim));
            let is_present = trace.evidence(event, is_anchored) == Evidence::Present;
            let is_in_time = is_stored(event) || uses.is_before_last_moments(event, self.expiry);
            uses.add(at, event, !is_its || (is_present && is_in_time));
            before
        });
        before.collect()
    }

    /// Checks that the session existed when it had to, and only then.
    pub(super) fn check_presence(&mut self, trace: &SessionTrace, ends: &[End], uses: &[Uses]) {
        let mut first_absence: HashMap<&Id, (Moment, usize)> = HashMap::new();
        let (expiry, is_anchored) = (self.expiry, self.is_anchored(trace));
        // In the order of answers, so `first_absence` is complete for each request.
        for (&at, uses) in trace.events.iter().zip(uses) {
            let event = self.event(at);
            let Some(claim) = event.claim.as_ref().filter(|claim| trace.ids.contains(claim)) else {
                continue;
            };
            let evidence = trace.evidence(event, is_anchored);
            let may_have_ended = ends
                .iter()
                .filter(|end| end.event != Some(at))
                .any(|end| end.concerns(claim) && end.is_possible_by(event.answered));
            match evidence {
                Evidence::Present => {
                    let over =
                        |end: &&End| end.concerns(claim) && end.is_certain_before(event.sent);
                    if let Some(end) = ends.iter().find(over) {
                        let rule =
                            if end.is_of_grace { Rule::GraceEnds } else { Rule::LogoutIsFinal };
                        self.broken(rule, end.event.into_iter().chain([at]));
                    } else if let Some(&(_, absence)) =
                        first_absence.get(claim).filter(|(moment, _)| *moment < event.sent)
                    {
                        self.broken(Rule::LogoutIsFinal, [absence, at]);
                    }
                    if uses.must_have_expired_before(event, expiry) {
                        self.broken(Rule::ExpiryIsExact, uses.last.into_iter().chain([at]));
                    }
                }
                Evidence::Absent | Evidence::Vanished
                    if !may_have_ended && !uses.may_have_expired_by(event, expiry) =>
                {
                    let born = self.event(trace.events[0]);
                    if has_lived(born, event, expiry) {
                        self.broken(Rule::ExpiryIsExact, uses.last.into_iter().chain([at]));
                    } else {
                        self.broken(Rule::OnlyEndedSessionsEnd, [trace.events[0], at]);
                    }
                }
                _ => {}
            }
            if evidence == Evidence::Absent {
                first_absence.entry(claim).or_insert((event.answered, at));
            }
        }
    }
}

/// Returns the ends that `event` causes or may cause. Once the grace of the claimed id is over, the
/// id leads to no session that the request could end.
fn ends_of(at: usize, event: &Event, claim: &Id, trace: &SessionTrace, graces: &[End]) -> Vec<End> {
    let own = || vec![claim.clone()];
    let grace = graces.iter().find(|end| end.concerns(claim));
    if grace.is_some_and(|end| end.is_certain_before(event.sent)) {
        return End::of(at, event, own()).into_iter().collect();
    }
    let end = End::of(at, event, trace.line(claim));
    let is_quiet_logout = event.operation == Operation::Logout
        && event.answer == Answer::Done
        && event.cookie != Cookie::Expired;
    let may_be_over = grace.is_some_and(|end| end.is_possible_by(event.answered));
    if is_quiet_logout && may_be_over {
        let perhaps = end.map(|end| End { to: None, ..end });
        return perhaps.into_iter().chain(End::of(at, event, own())).collect();
    }
    end.into_iter().collect()
}

/// Returns whether the answer proves that the store was told of the use.
fn is_stored(event: &Event) -> bool {
    !matches!(event.operation, Operation::Get | Operation::GetItem(_))
        || event.cookie != Cookie::Unchanged
}

/// Returns whether a session is as old as its time to live, so that it may have expired because a
/// use did not count.
fn has_lived(born: &Event, event: &Event, expiry: Expiry) -> bool {
    event.answered >= born.sent + micros(expiry.ttl.saturating_sub(expiry.tolerance))
}

/// The time within which a read is followed by the write of the time to live, however busy the
/// machine.
const LAST_MOMENTS: Duration = Duration::from_millis(200);

/// The uses of a session up to one of its events, in the order of answers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Uses {
    /// The time when the last certain use was sent.
    certain: Moment,
    last: Option<usize>,
    /// The time of the last possible use.
    possible: Moment,
    is_uncertain: bool,
}

impl Uses {
    fn add(&mut self, at: usize, event: &Event, is_certain: bool) {
        if is_certain && event.sent >= self.certain {
            (self.certain, self.last) = (event.sent, Some(at));
        }
        self.possible = self.possible.max(event.answered);
        self.is_uncertain |= event.is_uncertain();
    }

    /// Returns whether the session lives for long enough after a read to be extended.
    ///
    /// The time to live is written after the read, and the session may expire in between.
    fn is_before_last_moments(&self, read: &Event, expiry: Expiry) -> bool {
        read.answered + micros(LAST_MOMENTS) < self.certain + micros(expiry.ttl)
    }

    /// Returns whether the session may have expired by the end of this request.
    pub(super) fn may_have_expired_by(&self, event: &Event, expiry: Expiry) -> bool {
        event.answered >= self.certain + micros(expiry.ttl.saturating_sub(expiry.tolerance))
    }

    /// Returns whether the session must have expired before this request.
    fn must_have_expired_before(&self, event: &Event, expiry: Expiry) -> bool {
        !self.is_uncertain && event.sent > self.possible + micros(expiry.ttl + expiry.tolerance)
    }
}
