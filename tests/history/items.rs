//! Whether what is read of a session is what was written to it.

use std::collections::{BTreeMap, HashMap};

use super::{
    check::{Check, Rule},
    life::{End, Life},
    record::{Answer, Cookie, Event, History, Id, Moment, Operation},
    register::{Contradiction, NEVER, Register},
};

/// Who wrote a value, and whereto.
#[derive(Clone, Copy)]
pub(super) struct Written<'h> {
    event: usize,
    key: &'h str,
    /// `None`: a session whose id was never told to anybody.
    life: Option<usize>,
}

/// Which session each value was written to.
pub(super) fn values<'h>(
    history: &'h History,
    of_id: &HashMap<Id, usize>,
) -> HashMap<&'h str, Written<'h>> {
    let mut values = HashMap::new();
    for (event, asked) in history.events.iter().enumerate() {
        let id = match &asked.cookie {
            Cookie::Issued(id) => Some(id),
            _ => asked.claim.as_ref(),
        };
        let life = id.and_then(|id| of_id.get(id).copied());
        for (key, value) in asked.items_set().into_iter().flatten() {
            let before = values.insert(value.as_str(), Written { event, key, life });
            assert!(before.is_none(), "every value is written once");
        }
    }
    values
}

impl<'h> Check<'h> {
    /// Whether every value read was ever written to where it was read.
    pub(super) fn values_read(&mut self, number: usize, life: &Life) {
        for &at in &life.events {
            for (key, value) in read(self.event(at)) {
                let rule = match self.values.get(value) {
                    None => Rule::OnlyWrittenValues,
                    Some(written) if written.key != key || written.life != Some(number) => {
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

    /// Whether each key's writes and reads have an order that explains them.
    pub(super) fn order(&mut self, number: usize, life: &Life, ends: &[End]) {
        let registers = self.registers(number, life, ends);
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

    /// The session's keys as registers, with all their writes and then all their reads.
    fn registers(&self, number: usize, life: &Life, ends: &[End]) -> BTreeMap<&'h str, Register> {
        let mut registers: BTreeMap<&str, Register> = BTreeMap::new();
        for &at in &life.events {
            let event = self.event(at);
            // 200 to a removal says nothing of whether there was a session to remove from.
            let is_removal = matches!(event.operation, Operation::Remove(_));
            let is_idle = is_removal && !self.is_surely_there(event, ends);
            let certain = if event.is_unsure() || is_idle { NEVER } else { event.answered };
            if event.answer == Answer::Refused {
                continue;
            }
            let mut write = |key: &'h str, value| {
                let register = registers.entry(key).or_insert_with(Register::new);
                register.write(at, value, event.sent, certain);
            };
            for (key, value) in event.items_set().into_iter().flatten() {
                if self.values[value.as_str()].life == Some(number) {
                    write(key, Some(value.as_str()));
                }
            }
            if let Operation::Remove(key) = &event.operation {
                write(key, None);
            }
        }
        for &at in &life.events {
            let event = self.event(at);
            match (&event.operation, &event.answer) {
                (Operation::Get, Answer::Items(items)) if !items.is_empty() => {
                    // All were read at one moment, which no shown write can come after.
                    let shown = items.values().filter_map(|value| self.values.get(value.as_str()));
                    let from = shown.map(|written| self.event(written.event).sent);
                    let from = from.fold(event.sent, Moment::max).min(event.answered);
                    for (key, register) in &mut registers {
                        match items.get(*key) {
                            Some(value) => register.read(at, value, from, event.answered),
                            None => register.miss(at, from, event.answered),
                        }
                    }
                }
                (Operation::GetItem(key), Answer::Item(item)) => {
                    let Some(register) = registers.get_mut(key.as_str()) else { continue };
                    match item {
                        Some(value) => register.read(at, value, event.sent, event.answered),
                        None if self.is_surely_there(event, ends) => {
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

    fn is_surely_there(&self, event: &Event, ends: &[End]) -> bool {
        let Some(claim) = &event.claim else { return false };
        let ended = |end: &End| end.concerns(claim) && end.is_possible_by(event.answered);
        self.expiry.is_none() && !ends.iter().any(ended)
    }

    /// Whether a read shows one item of a write, but of another what was there before it.
    pub(super) fn half_writes(&mut self, life: &Life) {
        for &at in &life.events {
            let Answer::Items(items) = &self.event(at).answer else { continue };
            for value in items.values() {
                let Some(written) = self.values.get(value.as_str()).copied() else { continue };
                let write = self.event(written.event);
                for key in write.items_set().into_iter().flat_map(|items| items.keys()) {
                    let older = match items.get(key) {
                        Some(other) => {
                            let other = self.values.get(other.as_str());
                            other.is_some_and(|other| {
                                let other = self.event(other.event);
                                !other.is_unsure() && other.precedes(write)
                            })
                        }
                        None => !self.may_be_removed(life, key, write),
                    };
                    if older {
                        self.broken(Rule::NothingHalf, [written.event, at]);
                    }
                }
            }
        }
    }

    /// Whether somebody may have removed a key after this write.
    fn may_be_removed(&self, life: &Life, key: &str, write: &Event) -> bool {
        life.events.iter().any(|&at| {
            let event = self.event(at);
            matches!(&event.operation, Operation::Remove(removed) if removed == key)
                && event.answer != Answer::Refused
                && (event.is_unsure() || !event.precedes(write))
        })
    }
}

/// The values that an answer shows, with their keys.
fn read(event: &Event) -> Vec<(&str, &str)> {
    match (&event.operation, &event.answer) {
        (_, Answer::Items(items)) => {
            items.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
        }
        (Operation::GetItem(key), Answer::Item(Some(value))) => vec![(key, value)],
        _ => Vec::new(),
    }
}
