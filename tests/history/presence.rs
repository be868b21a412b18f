//! Whether sessions are there when they have to be, and only then.

use std::collections::{BTreeSet, HashMap};

use super::{
    check::{Check, Expiry, Rule, micros},
    life::{End, Life, Sight, sight},
    record::{Event, Id, Moment, Operation},
};

impl Check<'_> {
    pub(super) fn ends(&self, life: &Life) -> Vec<End> {
        let is_anchored = self.is_anchored(life);
        let asked = life.events.iter().filter_map(|&at| {
            // The event that issued the first id speaks of the session before.
            let event = self.event(at);
            let claimed = event.claim.as_ref().is_some_and(|claim| life.ids.contains(claim));
            claimed.then(|| End::of(at, event, is_anchored)).flatten()
        });
        let lost = self.history.losses.iter();
        let lost = lost.map(|&from| End { event: None, of: None, from, to: None });
        asked.chain(lost).collect()
    }

    /// Whether the session has an item from its beginning that nobody removes.
    fn is_anchored(&self, life: &Life) -> bool {
        let removed: BTreeSet<&str> = life
            .events
            .iter()
            .filter_map(|&at| match &self.event(at).operation {
                Operation::Remove(key) => Some(key.as_str()),
                _ => None,
            })
            .collect();
        let first = self.event(life.events[0]).items_set();
        first.is_some_and(|items| items.keys().any(|key| !removed.contains(key.as_str())))
    }

    /// Whether the session was there when it had to be, and only then.
    pub(super) fn presence(&mut self, life: &Life, ends: &[End]) {
        let mut first_gone: HashMap<&Id, (Moment, usize)> = HashMap::new();
        let mut used = Uses::default();
        // In order of answers, so `first_gone` knows what was over before this was asked.
        for &at in &life.events {
            let event = self.event(at);
            let Some(claim) = event.claim.as_ref().filter(|claim| life.ids.contains(claim)) else {
                used.note(event, true);
                continue;
            };
            let sight = sight(event);
            let may_have_ended = ends
                .iter()
                .filter(|end| end.event != Some(at))
                .any(|end| end.concerns(claim) && end.is_possible_by(event.answered));
            match sight {
                Sight::There => {
                    let over =
                        |end: &&End| end.concerns(claim) && end.is_certain_before(event.sent);
                    if let Some(end) = ends.iter().find(over) {
                        self.broken(Rule::LogoutIsFinal, end.event.into_iter().chain([at]));
                    } else if let Some(&(_, gone)) =
                        first_gone.get(claim).filter(|(moment, _)| *moment < event.sent)
                    {
                        self.broken(Rule::LogoutIsFinal, [gone, at]);
                    }
                    if self.expiry.is_some_and(|expiry| used.must_be_over(event, expiry)) {
                        self.broken(Rule::ExpiryIsExact, used.last.into_iter().chain([at]));
                    }
                }
                Sight::Gone | Sight::Going if !may_have_ended => match self.expiry {
                    Some(expiry) if used.may_be_over(event, expiry) => {}
                    Some(_) => {
                        self.broken(Rule::ExpiryIsExact, used.last.into_iter().chain([at]));
                    }
                    None => self.broken(Rule::OnlyEndedSessionsEnd, [life.events[0], at]),
                },
                _ => {}
            }
            if sight == Sight::Gone {
                first_gone.entry(claim).or_insert((event.answered, at));
            }
            used.at(at, event, sight == Sight::There);
        }
    }
}

/// When a session was used, in order of answers.
#[derive(Default)]
struct Uses {
    /// The last use of a session that was there, to be counted from when it was asked.
    certain: Moment,
    last: Option<usize>,
    /// The last use there may have been.
    possible: Moment,
    is_unsure: bool,
}

impl Uses {
    fn note(&mut self, event: &Event, was_there: bool) {
        if was_there {
            self.certain = self.certain.max(event.sent);
        }
        self.possible = self.possible.max(event.answered);
        self.is_unsure |= event.is_unsure();
    }

    fn at(&mut self, at: usize, event: &Event, was_there: bool) {
        if was_there && event.sent >= self.certain {
            self.last = Some(at);
        }
        self.note(event, was_there);
    }

    /// Whether it may have expired when this was asked.
    fn may_be_over(&self, event: &Event, expiry: Expiry) -> bool {
        event.answered >= self.certain + micros(expiry.ttl.saturating_sub(expiry.tolerance))
    }

    /// Whether it must have expired before this was asked.
    fn must_be_over(&self, event: &Event, expiry: Expiry) -> bool {
        !self.is_unsure && event.sent > self.possible + micros(expiry.ttl + expiry.tolerance)
    }
}
