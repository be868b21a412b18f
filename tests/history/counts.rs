//! Checks of the operations that change an item depending on what it is.

use std::collections::HashMap;

use super::{
    checker::Checker,
    record::{Answer, COUNT, Cookie, Event, Operation},
    rule::Rule,
    session_trace::SessionTrace,
};

impl Checker<'_> {
    /// Checks that each number lies between that of the increments that were certainly counted
    /// before and that of those that may have been, and is answered once.
    pub(super) fn check_counts(&mut self, trace: &SessionTrace) {
        let of_session = |event: &Event| {
            let id = match &event.cookie {
                Cookie::Issued(id) => Some(id),
                _ => event.claim.as_ref(),
            };
            event.operation == Operation::Count && id.is_some_and(|id| trace.ids.contains(id))
        };
        let events = trace.events.iter().map(|&at| (at, self.event(at)));
        let counts = events.filter(|(_, event)| of_session(event));
        let counts: Vec<(usize, &Event)> =
            counts.filter(|(_, event)| event.answer != Answer::Refused).collect();
        let mut answered = HashMap::new();
        for &at in &trace.events {
            let event = self.event(at);
            let number = match (&event.operation, &event.answer) {
                (Operation::Count, Answer::Counted(number)) if of_session(event) => *number,
                (Operation::Get, Answer::Items(items)) if !items.is_empty() => {
                    items.get(COUNT).map_or(0, |count| count.parse().unwrap_or(u64::MAX))
                }
                _ => continue,
            };
            let own = u64::from(event.operation == Operation::Count);
            let before = counts.iter().filter(|(_, other)| {
                matches!(other.answer, Answer::Counted(_)) && other.precedes(event)
            });
            let at_least = own + before.count() as u64;
            let at_most = counts.iter().filter(|(_, other)| !event.precedes(other)).count() as u64;
            if !(at_least..=at_most).contains(&number) {
                self.broken(Rule::EveryCountCounts, [at]);
            }
            if own == 1
                && let Some(other) = answered.insert(number, at)
            {
                self.broken(Rule::EveryCountCounts, [other, at]);
            }
        }
    }

    /// Checks that no two requests have taken the same item. Every value is written once.
    pub(super) fn check_takes(&mut self, trace: &SessionTrace) {
        let mut taken = HashMap::new();
        for &at in &trace.events {
            let event = self.event(at);
            if let (Operation::Take(_), Answer::Item(Some(value))) =
                (&event.operation, &event.answer)
                && let Some(other) = taken.insert(value, at)
            {
                self.broken(Rule::TakenOnce, [other, at]);
            }
        }
    }
}
