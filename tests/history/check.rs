//! Checks a history against the rules.

use std::collections::{BTreeSet, HashMap};

use super::{
    checker::Checker,
    items::writes,
    record::{Answer, Cookie, Event, History, Id, Operation},
    renewals::ToldIds,
    rule::{Expiry, Rule, Violation},
    session_trace::{Evidence, SessionTrace, evidence},
};

/// The number of assumptions that are tried for a history with violations. One that obeys the rules
/// needs few.
const TRIES: usize = 40;

/// Finds all violations in a history.
pub(crate) fn check(history: &History, expiry: Expiry) -> Vec<Violation> {
    explain(history, expiry).1
}

/// Returns the session of each id. A renewal gives a session another id.
pub(crate) fn sessions(history: &History, expiry: Expiry) -> HashMap<Id, usize> {
    let told = explain(history, expiry).0;
    Checker::new(history, expiry, &told).sort_by_session().1
}

/// Returns the ids that were told after a renewal by itself, and the violations that remain.
///
/// A request with an id that was renewed by itself is told the new one, and one that begins a
/// session is told its id. If both are possible, either may explain the history.
fn explain(history: &History, expiry: Expiry) -> (BTreeSet<Id>, Vec<Violation>) {
    let mut told = ToldIds::new(history, expiry);
    let mut violations = check_with(history, expiry, &told.assumed);
    let doubtful = [(); 2].map(|()| told.doubtful(history, &violations)).concat();
    for id in doubtful.into_iter().take(TRIES) {
        if violations.is_empty() {
            break;
        }
        told.toggle(&id);
        let others = check_with(history, expiry, &told.assumed);
        if others.len() < violations.len() {
            violations = others;
        } else {
            told.toggle(&id);
        }
    }
    (told.assumed, violations)
}

/// Finds all violations in a history in which these ids were told after a renewal by itself.
fn check_with(history: &History, expiry: Expiry, told: &BTreeSet<Id>) -> Vec<Violation> {
    let mut checker = Checker::new(history, expiry, told);
    let (traces, of_id) = checker.sort_by_session();
    checker.writes = writes(history, &of_id);
    for (number, trace) in traces.iter().enumerate() {
        checker.check_session(number, trace);
    }
    checker.violations.sort_by_key(|violation| (violation.rule, violation.events.clone()));
    checker.violations
}

impl Checker<'_> {
    /// Returns the sessions, and the index of the session for each id.
    fn sort_by_session(&mut self) -> (Vec<SessionTrace>, HashMap<Id, usize>) {
        let mut traces: Vec<SessionTrace> = Vec::new();
        let mut of_id: HashMap<Id, usize> = HashMap::new();
        let mut order: Vec<usize> = (0..self.history.events.len()).collect();
        // No client sends an id before a server has issued it.
        order.sort_by_key(|&at| self.event(at).sent);
        for &at in &order {
            let event = self.event(at);
            if matches!(event.answer, Answer::Unexpected(_)) {
                self.broken(Rule::ProperAnswer, [at]);
            }
            let Cookie::Issued(id) = &event.cookie else { continue };
            let claimed = event.claim.as_ref().and_then(|claim| of_id.get(claim).copied());
            let is_told = self.told.contains(id) && !is_login(event);
            if is_told && claimed.is_some() && of_id.get(id).copied() == claimed {
                continue;
            }
            if of_id.contains_key(id) || event.claim.as_ref() == Some(id) {
                let issues = |&&other: &&usize| {
                    other != at && self.event(other).cookie == Cookie::Issued(id.clone())
                };
                let other = order.iter().find(issues).copied();
                self.broken(Rule::OnlyIssuedIds, other.into_iter().chain([at]));
                continue;
            }
            let renewed = claimed.filter(|_| is_told || is_renewal(event));
            let session = renewed.unwrap_or(traces.len());
            if renewed.is_none() {
                traces.push(SessionTrace {
                    ids: Vec::new(),
                    parents: HashMap::new(),
                    events: vec![at],
                });
            }
            let trace = &mut traces[session];
            trace.ids.push(id.clone());
            if let Some(claim) = event.claim.as_ref().filter(|_| is_told && renewed.is_some()) {
                trace.parents.insert(id.clone(), claim.clone());
            }
            of_id.insert(id.clone(), session);
        }
        order.sort_by_key(|&at| self.event(at).answered);
        for at in order {
            let event = self.event(at);
            let Some(claim) = &event.claim else { continue };
            match of_id.get(claim) {
                Some(&session) => traces[session].events.push(at),
                None if evidence(event, false) == Evidence::Present => {
                    self.broken(Rule::OnlyIssuedIds, [at]);
                }
                None => {}
            }
        }
        (traces, of_id)
    }

    fn check_session(&mut self, number: usize, trace: &SessionTrace) {
        let retired = self.retired(trace);
        let ends = self.ends(trace, &retired);
        let uses = self.uses(trace);
        self.check_presence(trace, &ends, &uses);
        self.check_values(number, trace);
        self.check_order(number, trace, &ends, &uses);
        self.check_cookies(trace, &ends, &retired);
        self.check_partial_writes(trace);
        self.check_counts(trace);
        self.check_takes(trace);
    }
}

fn is_login(event: &Event) -> bool {
    matches!(event.operation, Operation::Login(_))
}

/// Returns whether a login has renewed the id of the claimed session to the issued one.
fn is_renewal(event: &Event) -> bool {
    match &event.answer {
        Answer::Renewed => true,
        Answer::RolledBack(answer) => **answer == Answer::Renewed,
        _ => event.is_uncertain() && is_login(event),
    }
}
