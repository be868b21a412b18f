//! The rules, and what of a history breaks them.

use std::{collections::HashMap, fmt, time::Duration};

use super::{
    items::{Written, values},
    life::{Life, Sight, sight},
    record::{Answer, Cookie, Event, History, Id, Moment, Operation},
};

/// What a history must not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rule {
    /// An answer is 200, 409 or 503, each in its proper form.
    ProperAnswer,
    /// No read returns a value that nobody has written, or before anybody has.
    OnlyWrittenValues,
    /// No read returns a value of another session or another key.
    OnlyOwnValues,
    /// A write answered 409 has not happened.
    RefusedIsRefused,
    /// No read returns a value that an acknowledged later write has overwritten or removed, nor
    /// one older than what a read has shown already.
    NothingOverwritten,
    /// An acknowledged write is there until it is overwritten, removed or expired, whatever
    /// happens to other keys.
    NothingLost,
    /// A read shows a write whole or not at all, and all its items at one moment.
    NothingHalf,
    /// A session is there until it is ended; 409 is for those that are.
    OnlyEndedSessionsEnd,
    /// After an acknowledged logout, or once a session has been seen to be gone, nothing of it is
    /// there and no write reaches it; a renewed id is dead as well.
    LogoutIsFinal,
    /// An id that no server has issued is never adopted, and none is issued twice.
    OnlyIssuedIds,
    /// A session expires when it has not been used for its time to live, and not before.
    ExpiryIsExact,
}

/// How a history breaks a rule.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) rule: Rule,
    /// The events that show it, as places in the history.
    pub(crate) events: Vec<usize>,
}

/// How long sessions live.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    pub(crate) ttl: Duration,
    /// How much too early or too late is still exact.
    pub(crate) tolerance: Duration,
}

/// Finds everything in a history that breaks a rule; `expiry` if sessions may expire in it.
pub(crate) fn check(history: &History, expiry: Option<Expiry>) -> Vec<Violation> {
    let mut check = Check { history, expiry, found: Vec::new(), values: HashMap::new() };
    let (lives, of_id) = check.sort_by_session();
    check.values = values(history, &of_id);
    for (number, life) in lives.iter().enumerate() {
        check.life(number, life);
    }
    check.found.sort_by_key(|violation| (violation.rule, violation.events.clone()));
    check.found
}

/// Shows what breaks the rules, the events in full, as far as one can read that.
pub(crate) struct Report<'a>(pub(crate) &'a History, pub(crate) &'a [Violation]);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} violations in {} requests", self.1.len(), self.0.events.len())?;
        for violation in self.1.iter().take(5) {
            writeln!(f, "{:?}", violation.rule)?;
            for &event in &violation.events {
                writeln!(f, "  {}", self.0.events[event])?;
            }
        }
        Ok(())
    }
}

pub(super) struct Check<'h> {
    pub(super) history: &'h History,
    pub(super) expiry: Option<Expiry>,
    found: Vec<Violation>,
    pub(super) values: HashMap<&'h str, Written<'h>>,
}

impl<'h> Check<'h> {
    pub(super) fn event(&self, at: usize) -> &'h Event {
        &self.history.events[at]
    }

    pub(super) fn broken(&mut self, rule: Rule, events: impl IntoIterator<Item = usize>) {
        self.found.push(Violation { rule, events: events.into_iter().collect() });
    }

    /// Finds the sessions, and which of them each id stands for.
    fn sort_by_session(&mut self) -> (Vec<Life>, HashMap<Id, usize>) {
        let mut lives: Vec<Life> = Vec::new();
        let mut of_id: HashMap<Id, usize> = HashMap::new();
        let mut order: Vec<usize> = (0..self.history.events.len()).collect();
        // Nobody claims an id before it has been told.
        order.sort_by_key(|&at| self.event(at).sent);
        for &at in &order {
            let event = self.event(at);
            if matches!(event.answer, Answer::Wrong(_)) {
                self.broken(Rule::ProperAnswer, [at]);
            }
            let Cookie::Issued(id) = &event.cookie else { continue };
            if of_id.contains_key(id) || event.claim.as_ref() == Some(id) {
                self.broken(Rule::OnlyIssuedIds, [at]);
                continue;
            }
            let moved = moves(event).then(|| of_id.get(event.claim.as_ref()?).copied()).flatten();
            let life = moved.unwrap_or(lives.len());
            if moved.is_none() {
                lives.push(Life { ids: Vec::new(), events: vec![at] });
            }
            lives[life].ids.push(id.clone());
            of_id.insert(id.clone(), life);
        }
        order.sort_by_key(|&at| self.event(at).answered);
        for at in order {
            let event = self.event(at);
            let Some(claim) = &event.claim else { continue };
            match of_id.get(claim) {
                Some(&life) => lives[life].events.push(at),
                None if sight(event) == Sight::There => self.broken(Rule::OnlyIssuedIds, [at]),
                None => {}
            }
        }
        (lives, of_id)
    }

    fn life(&mut self, number: usize, life: &Life) {
        let ends = self.ends(life);
        self.presence(life, &ends);
        self.values_read(number, life);
        self.order(number, life, &ends);
        self.half_writes(life);
    }
}

/// Whether the id that was issued is another one for the session that was claimed.
fn moves(event: &Event) -> bool {
    match &event.answer {
        Answer::Moved => true,
        Answer::Undone(answer) => **answer == Answer::Moved,
        _ => event.is_unsure() && matches!(event.operation, Operation::Login(_)),
    }
}

pub(super) fn micros(duration: Duration) -> Moment {
    Moment::try_from(duration.as_micros()).expect("a run is shorter than 500,000 years")
}
