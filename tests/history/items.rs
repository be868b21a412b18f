//! Checks that reads of a session return the values written to it.

use std::collections::{BTreeMap, HashMap};

use super::{
    checker::{Checker, Write},
    presence::Uses,
    record::{Answer, COUNT, Cookie, Event, History, Id, Moment, Operation},
    register::{Contradiction, NEVER, Register},
    rule::Rule,
    session_trace::{End, SessionTrace},
};

/// Returns the write of each value.
pub(super) fn writes<'h>(
    history: &'h History,
    of_id: &HashMap<Id, usize>,
) -> HashMap<&'h str, Write<'h>> {
    let mut writes = HashMap::new();
    for (event, request) in history.events.iter().enumerate() {
        let id = match &request.cookie {
            Cookie::Issued(id) => Some(id),
            _ => request.claim.as_ref(),
        };
        let session = id.and_then(|id| of_id.get(id).copied());
        for (key, value) in request.items_set().into_iter().flatten() {
            let before = writes.insert(value.as_str(), Write { event, key, session });
            assert!(before.is_none(), "every value is written once");
        }
    }
    writes
}

impl<'h> Checker<'h> {
    /// Checks that every value was written to the session and key from which it was read.
    pub(super) fn check_values(&mut self, number: usize, trace: &SessionTrace) {
        for &at in &trace.events {
            for (key, value) in read(self.event(at)) {
                let rule = match self.writes.get(value) {
                    None => Rule::OnlyWrittenValues,
                    Some(written) if written.key != key || written.session != Some(number) => {
                        Rule::OnlyOwnValues
                    }
                    Some(written) if self.event(written.event).answer == Answer::Refused => {
                        Rule::RefusedIsRefused
                    }
                    Some(_) => continue,
                };
                self.broken(rule, [at]);
            }
        }
    }

    /// Checks that some order of each key's writes explains its reads.
    pub(super) fn check_order(
        &mut self,
        number: usize,
        trace: &SessionTrace,
        ends: &[End],
        uses: &[Uses],
    ) {
        let registers = self.registers(number, trace, ends, uses);
        for register in registers.values() {
            for contradiction in register.contradictions() {
                let (rule, one, other) = match contradiction {
                    Contradiction::ReadTooEarly { written, read } => {
                        (Rule::OnlyWrittenValues, written, read)
                    }
                    Contradiction::Overwritten { by, read } => (Rule::NothingOverwritten, by, read),
                    Contradiction::Lost { written, read } => (Rule::NothingLost, written, read),
                };
                self.broken(rule, [one, other]);
            }
        }
    }

    /// Returns the session's keys as registers with all writes and reads.
    fn registers(
        &self,
        number: usize,
        trace: &SessionTrace,
        ends: &[End],
        uses: &[Uses],
    ) -> BTreeMap<&'h str, Register> {
        let mut registers: BTreeMap<&str, Register> = BTreeMap::new();
        for (&at, uses) in trace.events.iter().zip(uses) {
            let event = self.event(at);
            // Nothing was taken, so nothing was removed.
            let is_void =
                matches!(event.operation, Operation::Take(_)) && event.answer == Answer::Item(None);
            // A removal is answered 200 even if there was no session.
            let is_removal = matches!(event.operation, Operation::Remove(_));
            let may_be_void = is_removal && !self.is_certainly_present(event, ends, uses);
            let certain = if event.is_uncertain() || may_be_void { NEVER } else { event.answered };
            if event.answer == Answer::Refused || is_void {
                continue;
            }
            let mut write = |key: &'h str, value| {
                let register = registers.entry(key).or_insert_with(Register::new);
                register.write(at, value, event.sent, certain);
            };
            for (key, value) in event.items_set().into_iter().flatten() {
                if self.writes[value.as_str()].session == Some(number) {
                    write(key, Some(value.as_str()));
                }
            }
            if let Operation::Remove(key) | Operation::Take(key) = &event.operation {
                write(key, None);
            }
        }
        // Of an anchored session, an answer without items is a matter of its presence.
        let is_anchored = self.is_anchored(trace);
        for (&at, uses) in trace.events.iter().zip(uses) {
            let event = self.event(at);
            match (&event.operation, &event.answer) {
                (Operation::Get, Answer::Items(items))
                    if !items.is_empty()
                        || !is_anchored && self.is_certainly_present(event, ends, uses) =>
                {
                    // All items were read at one moment, after each of their writes was sent.
                    let shown = items.values().filter_map(|value| self.writes.get(value.as_str()));
                    let from = shown.map(|written| self.event(written.event).sent);
                    let from = from.fold(event.sent, Moment::max).min(event.answered);
                    for (key, register) in &mut registers {
                        match items.get(*key) {
                            Some(value) => register.read(at, value, from, event.answered),
                            None => register.miss(at, from, event.answered),
                        }
                    }
                }
                (Operation::GetItem(key) | Operation::Take(key), Answer::Item(item)) => {
                    let Some(register) = registers.get_mut(key.as_str()) else { continue };
                    match item {
                        Some(value) => register.read(at, value, event.sent, event.answered),
                        None if self.is_certainly_present(event, ends, uses) => {
                            register.miss(at, event.sent, event.answered);
                        }
                        None => {}
                    }
                }
                _ => {}
            }
        }
        registers
    }

    fn is_certainly_present(&self, event: &Event, ends: &[End], uses: &Uses) -> bool {
        let Some(claim) = &event.claim else { return false };
        let ended = |end: &End| end.concerns(claim) && end.is_possible_by(event.answered);
        !uses.may_have_expired_by(event, self.expiry) && !ends.iter().any(ended)
    }

    /// Checks that no read shows one item of a write and an older value of another.
    pub(super) fn check_partial_writes(&mut self, trace: &SessionTrace) {
        for &at in &trace.events {
            let Answer::Items(items) = &self.event(at).answer else { continue };
            for value in items.values() {
                let Some(written) = self.writes.get(value.as_str()).copied() else { continue };
                let write = self.event(written.event);
                for key in write.items_set().into_iter().flat_map(|items| items.keys()) {
                    let is_older = match items.get(key) {
                        Some(other) => {
                            let other = self.writes.get(other.as_str());
                            other.is_some_and(|other| {
                                let other = self.event(other.event);
                                !other.is_uncertain() && other.precedes(write)
                            })
                        }
                        None => !self.may_be_removed(trace, key, write),
                    };
                    if is_older {
                        self.broken(Rule::NothingHalf, [written.event, at]);
                    }
                }
            }
        }
    }

    /// Returns whether a key may have been removed after this write.
    fn may_be_removed(&self, trace: &SessionTrace, key: &str, write: &Event) -> bool {
        trace.events.iter().any(|&at| {
            let event = self.event(at);
            matches!(&event.operation, Operation::Remove(removed) | Operation::Take(removed)
                if removed == key)
                && event.answer != Answer::Refused
                && (event.is_uncertain() || !event.precedes(write))
        })
    }
}

/// Returns the keys and values in an answer.
fn read(event: &Event) -> Vec<(&str, &str)> {
    match (&event.operation, &event.answer) {
        (_, Answer::Items(items)) => {
            let items = items.iter().filter(|(key, _)| *key != COUNT);
            items.map(|(key, value)| (key.as_str(), value.as_str())).collect()
        }
        (Operation::GetItem(key) | Operation::Take(key), Answer::Item(Some(value))) => {
            vec![(key, value)]
        }
        _ => Vec::new(),
    }
}
