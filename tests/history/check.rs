//! Checks a history against the rules.

use std::collections::HashMap;

use super::{
    checker::Checker,
    items::writes,
    record::{Answer, Cookie, Event, History, Id, Operation},
    rule::{Expiry, Rule, Violation},
    session_trace::{Evidence, SessionTrace, evidence},
};

/// Finds all violations in a history.
pub(crate) fn check(history: &History, expiry: Expiry) -> Vec<Violation> {
    let mut checker = Checker { history, expiry, violations: Vec::new(), writes: HashMap::new() };
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
            if of_id.contains_key(id) || event.claim.as_ref() == Some(id) {
                self.broken(Rule::OnlyIssuedIds, [at]);
                continue;
            }
            let renewed =
                is_renewal(event).then(|| of_id.get(event.claim.as_ref()?).copied()).flatten();
            let session = renewed.unwrap_or(traces.len());
            if renewed.is_none() {
                traces.push(SessionTrace { ids: Vec::new(), events: vec![at] });
            }
            traces[session].ids.push(id.clone());
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
        let ends = self.ends(trace);
        let uses = self.uses(trace);
        self.check_presence(trace, &ends, &uses);
        self.check_values(number, trace);
        self.check_order(number, trace, &ends, &uses);
        self.check_cookies(trace, &ends);
        self.check_partial_writes(trace);
        self.check_counts(trace);
        self.check_takes(trace);
    }
}

/// Returns whether the issued id is a new id for the claimed session.
fn is_renewal(event: &Event) -> bool {
    match &event.answer {
        Answer::Renewed => true,
        Answer::RolledBack(answer) => **answer == Answer::Renewed,
        _ => event.is_uncertain() && matches!(event.operation, Operation::Login(_)),
    }
}
