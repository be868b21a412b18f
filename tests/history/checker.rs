//! The state that the checks of a history share.

use std::collections::{BTreeSet, HashMap};

use super::{
    record::{Event, History, Id},
    rule::{Expiry, Rule, Violation},
};

pub(super) struct Checker<'h> {
    pub(super) history: &'h History,
    pub(super) expiry: Expiry,
    /// The ids that were told after a renewal by itself.
    pub(super) told: &'h BTreeSet<Id>,
    pub(super) violations: Vec<Violation>,
    /// The write of each value.
    pub(super) writes: HashMap<&'h str, Write<'h>>,
}

/// The write of a value.
#[derive(Clone, Copy)]
pub(super) struct Write<'h> {
    pub(super) event: usize,
    pub(super) key: &'h str,
    /// `None` if no client received the id of the session.
    pub(super) session: Option<usize>,
}

impl<'h> Checker<'h> {
    pub(super) fn new(history: &'h History, expiry: Expiry, told: &'h BTreeSet<Id>) -> Self {
        Self { history, expiry, told, violations: Vec::new(), writes: HashMap::new() }
    }

    pub(super) fn event(&self, at: usize) -> &'h Event {
        &self.history.events[at]
    }

    /// Records a violation.
    pub(super) fn broken(&mut self, rule: Rule, events: impl IntoIterator<Item = usize>) {
        self.violations.push(Violation { rule, events: events.into_iter().collect() });
    }
}
