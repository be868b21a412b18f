//! The rules, independent of the product.

use std::{collections::BTreeMap, time::Duration};

use super::{
    record::{Event, Operation},
    sessions::{Session, Sessions},
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    ProperAnswer,
    EndedIsEnded,
    NobodyElse,
    NobodyLoggedOut,
    ListIsComplete,
}

/// What a run allows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Conditions {
    /// The statuses of requests that a fault made fail. 0 is no answer.
    pub(crate) failures: &'static [u16],
    /// How long an id that was renewed by itself leads to its session. `None` if none is.
    pub(crate) grace: Option<Duration>,
}

/// Returns what contradicts the rules.
pub(crate) fn check(events: &[Event], conditions: Conditions) -> Vec<(Rule, Event)> {
    let check = Check::new(events, conditions);
    let broken = |event| check.broken_by(event).into_iter().map(move |rule| (rule, event.clone()));
    events.iter().flat_map(broken).collect()
}

struct Check<'a> {
    sessions: Sessions<'a>,
    failures: &'static [u16],
    /// The session in which each number was set.
    writers: BTreeMap<u64, usize>,
}

impl<'a> Check<'a> {
    fn new(events: &'a [Event], conditions: Conditions) -> Self {
        let sessions = Sessions::of(events, conditions);
        let write = |event: &Event| match event.operation {
            Operation::Set(number) if sessions.is_served(event) || event.is_uncertain() => {
                Some((number, sessions.by(event)?))
            }
            _ => None,
        };
        let writers = events.iter().filter_map(write).collect();
        Self { sessions, failures: conditions.failures, writers }
    }

    fn broken_by(&self, event: &Event) -> Vec<Rule> {
        let mut broken = Vec::new();
        if !self.is_proper(event) {
            broken.push(Rule::ProperAnswer);
        }
        let Some(by) = self.sessions.by(event) else { return broken };
        let session = &self.sessions.all[by];
        let is_served = self.sessions.is_served(event);
        if is_served && session.ended.is_some_and(|ended| ended < event.start) {
            broken.push(Rule::EndedIsEnded);
        }
        let lives = self.sessions.lives(by, event.end) && self.sessions.leads(event);
        if lives && self.is_logged_out(event) {
            broken.push(Rule::NobodyLoggedOut);
        }
        if self.shows_another_user(event, session) {
            broken.push(Rule::NobodyElse);
        }
        if event.operation == Operation::List && is_served && self.lacks_one(event, session) {
            broken.push(Rule::ListIsComplete);
        }
        broken
    }

    fn is_proper(&self, event: &Event) -> bool {
        match event.status {
            200 => true,
            409 => !event.operation.is_read(),
            401 | 404 => event.operation.is_end_by_user(),
            status => self.failures.contains(&status),
        }
    }

    /// Returns whether the answer says that the session has ended.
    fn is_logged_out(&self, event: &Event) -> bool {
        match (event.status, &event.operation) {
            (200, Operation::Get | Operation::List) => !event.shows(),
            (200, Operation::Set(_)) => {
                event.told.as_ref().is_some_and(|told| self.sessions.is_of_nobody(told))
            }
            (status, _) => matches!(status, 401 | 409),
        }
    }

    fn shows_another_user(&self, event: &Event, session: &Session<'_>) -> bool {
        let is_other = |&number: &usize| self.sessions.all[number].user != session.user;
        match event.operation {
            Operation::Get => {
                let writer = event.number().and_then(|number| self.writers.get(&number));
                writer.is_some_and(is_other)
            }
            Operation::List => self.listed(event).iter().flatten().any(is_other),
            _ => false,
        }
    }

    /// Returns whether a list lacks a session that certainly existed.
    fn lacks_one(&self, event: &Event, session: &Session<'_>) -> bool {
        let listed = self.listed(event);
        // An unknown one may be the session that seems to be missing.
        let may_be_unknown =
            |number| listed.contains(&None) && !self.sessions.has_one_fingerprint(number);
        let is_missing = |(number, other): (usize, &Session<'_>)| {
            other.user == session.user
                && other.login < event.start
                && self.sessions.lives(number, event.end)
                && !listed.contains(&Some(number))
                && !may_be_unknown(number)
        };
        self.sessions.all.iter().enumerate().any(is_missing)
    }

    /// Returns the sessions in a list. `None` for one with an unknown fingerprint.
    fn listed(&self, event: &Event) -> Vec<Option<usize>> {
        let listed = event.fingerprints().into_iter();
        listed.map(|(fingerprint, _)| self.sessions.of_fingerprint(&fingerprint)).collect()
    }
}
