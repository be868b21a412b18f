//! Ids that were renewed by themselves: which ones they are, and how long they lead to their
//! session.
//!
//! A request with such an id is told the new one. From the histories alone follows when the id was
//! renewed: not before it was due, and before the first answer that told the new one.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use super::{
    checker::Checker,
    record::{Answer, Event, History, Id, Moment, Operation},
    rule::{Expiry, Renewal, Rule, Violation, micros},
    session_trace::{End, Evidence, SessionTrace},
};

/// The precision of the clocks that are compared.
const PRECISION: Duration = Duration::from_millis(20);
/// The time for which a fault of the store may last beyond a request that shows it.
const BESIDE: Duration = Duration::from_millis(500);

/// An id that was renewed by itself, or may have been.
#[derive(Debug)]
pub(super) struct Retired {
    pub(super) id: Id,
    /// The first answer that told the new id. `None` if there was none.
    pub(super) told: Option<usize>,
    /// The earliest and the latest moment at which its grace was over.
    from: Moment,
    to: Option<Moment>,
}

impl Retired {
    /// Returns the end of its grace.
    pub(super) fn end(&self) -> End {
        let of = Some(vec![self.id.clone()]);
        End { event: self.told, of, is_of_grace: true, from: self.from, to: self.to }
    }
}

impl Checker<'_> {
    /// Returns the ids of a session that were renewed by themselves or may have been. Checks that
    /// they were due, and that all requests were told the same new id.
    pub(super) fn retired(&mut self, trace: &SessionTrace) -> Vec<Retired> {
        let Some(renewal) = self.expiry.renewal else { return Vec::new() };
        let mut issued: HashMap<&Id, Moment> = HashMap::new();
        let mut retired = Vec::new();
        // Each id stands behind the one before it.
        for id in &trace.ids {
            let from = match issued.get(id) {
                Some(&from) => from,
                None => self.issued(trace, id, &issued),
            };
            issued.insert(id, from);
            let due = (from + micros(renewal.after)).saturating_sub(micros(PRECISION));
            let mut told: Vec<usize> = self.with_id(trace, id).collect();
            told.retain(|&at| trace.told(self.event(at)).is_some());
            self.check_told(trace, &told, due);
            let Some(renewed) = self.with_id(trace, id).find(|&at| self.event(at).answered >= due)
            else {
                continue;
            };
            // Those with earlier answers may have been sent later.
            let late = self.with_id(trace, id).skip_while(|&at| at != renewed);
            let renewed = late.map(|at| self.event(at).sent).min().expect("the one found");
            for child in trace.ids.iter().filter(|child| trace.parents.get(*child) == Some(id)) {
                issued.insert(child, renewed);
            }
            retired.push(self.one_retired(trace, id, &told, renewed, renewal));
        }
        retired
    }

    fn one_retired(
        &self,
        trace: &SessionTrace,
        id: &Id,
        told: &[usize],
        renewed: Moment,
        renewal: Renewal,
    ) -> Retired {
        let (grace, precision) = (micros(renewal.grace), micros(PRECISION));
        let over = |renewed: Moment| (renewed + grace).saturating_sub(precision);
        let told = told.first().copied();
        let to = told.map(|at| self.event(at).answered + grace + precision);
        // Whoever used it and was told nothing did so before it was renewed.
        let from = over(renewed.max(self.last_use_untold(trace, id)));
        Retired { id: id.clone(), told, from, to }
    }

    /// Returns the requests with this id, in the order of answers.
    fn with_id<'t>(
        &'t self,
        trace: &'t SessionTrace,
        id: &'t Id,
    ) -> impl Iterator<Item = usize> + 't {
        let events = trace.events.iter().copied();
        events.filter(move |&at| self.event(at).claim.as_ref() == Some(id))
    }

    /// Returns the earliest moment from which the age counts of an id that was not told after a
    /// renewal by itself. One that a login has issued is due when the one before was.
    fn issued(&self, trace: &SessionTrace, id: &Id, before: &HashMap<&Id, Moment>) -> Moment {
        let is_its = |at: &&usize| self.event(**at).issued() == Some(id);
        let Some(&at) = trace.events.iter().find(is_its) else { return 0 };
        let event = self.event(at);
        let before = event.claim.as_ref().and_then(|claim| before.get(claim).copied());
        before.unwrap_or(event.sent)
    }

    /// Returns the moment of the last request that used the session under this id and was not told
    /// another. Those beside an error do not count: they may not have been able to find out.
    fn last_use_untold(&self, trace: &SessionTrace, id: &Id) -> Moment {
        let is_untold = |event: &&Event| {
            let is_use = trace.evidence(event, false) == Evidence::Present;
            is_use && !event.is_uncertain() && event.issued().is_none()
        };
        let uses = self.with_id(trace, id).map(|at| self.event(at)).filter(is_untold);
        let mut uses: Vec<&Event> = uses.collect();
        uses.sort_by_key(|event| event.sent);
        let last = uses.iter().rev().find(|event| self.is_without_errors_beside(event));
        last.map_or(0, |event| event.sent)
    }

    fn is_without_errors_beside(&self, event: &Event) -> bool {
        let beside = micros(BESIDE);
        !self.history.events.iter().any(|other| {
            let is_beside =
                other.sent <= event.answered + beside && other.answered + beside >= event.sent;
            is_beside && other.is_uncertain()
        })
    }

    /// Checks that an id was due when requests were told a new one, and that it was the same one.
    fn check_told(&mut self, trace: &SessionTrace, told: &[usize], due: Moment) {
        let Some(&first) = told.first() else { return };
        for &at in told {
            let event = self.event(at);
            if event.answered < due {
                self.broken(Rule::OneNewId, [at]);
            }
            if trace.told(event) != trace.told(self.event(first)) {
                self.broken(Rule::OneNewId, [first, at]);
            }
        }
    }
}

/// The ids that were told after a renewal by itself.
pub(super) struct ToldIds {
    pub(super) assumed: BTreeSet<Id>,
    /// Those that may also be the ids of new sessions, or the other way round, with the only
    /// request that was told them.
    either: BTreeMap<Id, usize>,
}

impl ToldIds {
    pub(super) fn new(history: &History, expiry: Expiry) -> Self {
        let mut all = Self { assumed: BTreeSet::new(), either: BTreeMap::new() };
        let Some(renewal) = expiry.renewal else { return all };
        let mut issued: HashMap<&Id, Moment> = HashMap::new();
        let mut told: BTreeMap<&Id, Vec<usize>> = BTreeMap::new();
        let mut order: Vec<_> = history.events.iter().enumerate().collect();
        order.sort_by_key(|(_, event)| event.sent);
        for (at, event) in order {
            let is_login = matches!(event.operation, Operation::Login(_));
            if let Some(id) = event.issued() {
                // One that a login has issued is due when the one before was.
                let before = event.claim.as_ref().filter(|_| is_login);
                let before = before.and_then(|claim| issued.get(claim).copied());
                issued.entry(id).or_insert(before.unwrap_or(event.sent));
            }
            if let (Some(_), Some(id), false) = (&event.claim, event.issued(), is_login) {
                told.entry(id).or_default().push(at);
            }
        }
        for (id, requests) in told {
            match requests[..] {
                [only] if may_create(&history.events[only]) => {
                    all.either.insert(id.clone(), only);
                    let teller = &history.events[only];
                    let claimed = teller.claim.as_ref().and_then(|claim| issued.get(claim));
                    let due = claimed.map_or(0, |issued| issued + micros(renewal.after));
                    if teller.answered >= due && is_likely(history, id, teller) {
                        all.assumed.insert(id.clone());
                    }
                }
                // A new session is told to the request alone that has begun it.
                _ => drop(all.assumed.insert(id.clone())),
            }
        }
        all
    }

    /// Returns the ids of which another assumption may explain a violation.
    pub(super) fn doubtful(&self, history: &History, violations: &[Violation]) -> Vec<Id> {
        let events = violations.iter().flat_map(|violation| &violation.events);
        let involved: BTreeSet<&Id> = events.flat_map(|&at| ids(&history.events[at])).collect();
        let is_involved = |only: usize| ids(&history.events[only]).any(|id| involved.contains(id));
        let doubtful = self.either.iter().filter(|(_, only)| is_involved(**only));
        let mut doubtful: Vec<_> = doubtful.collect();
        // What an id means depends on those before it.
        doubtful.sort_by_key(|(_, only)| history.events[**only].sent);
        doubtful.into_iter().map(|(id, _)| id.clone()).collect()
    }

    pub(super) fn toggle(&mut self, id: &Id) {
        if !self.assumed.remove(id) {
            self.assumed.insert(id.clone());
        }
    }
}

/// Returns the requests that were told each id after a renewal by itself. Requests that may have
/// begun a session do not count.
pub(crate) fn told(history: &History) -> BTreeMap<&Id, Vec<&Event>> {
    let mut told: BTreeMap<&Id, Vec<&Event>> = BTreeMap::new();
    for event in &history.events {
        if let (Some(_), Some(id), false) = (&event.claim, event.issued(), may_create(event)) {
            told.entry(id).or_default().push(event);
        }
    }
    told
}

fn ids(event: &Event) -> impl Iterator<Item = &Id> {
    event.claim.iter().chain(event.issued())
}

fn may_create(event: &Event) -> bool {
    event.items_set().is_some() || event.operation == Operation::Count
}

/// Returns whether the session has something from before the request that was told this id, or
/// nothing is known of what it has.
fn is_likely(history: &History, id: &Id, teller: &Event) -> bool {
    if matches!(teller.answer, Answer::Counted(2..)) {
        return true;
    }
    let earlier = history.events.iter().filter(|event| event.sent < teller.sent);
    let earlier: BTreeSet<&str> = earlier
        .flat_map(|event| event.items_set().into_iter().flatten())
        .map(|(_, value)| value.as_str())
        .collect();
    let with_id = history.events.iter().filter(|event| event.claim.as_ref() == Some(id));
    let mut shown = with_id.flat_map(|event| match &event.answer {
        Answer::Items(items) => items.values().map(String::as_str).collect(),
        Answer::Item(Some(item)) => vec![item.as_str()],
        _ => Vec::new(),
    });
    let is_empty = shown.clone().next().is_none();
    is_empty || shown.any(|value| earlier.contains(value))
}
