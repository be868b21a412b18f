//! The sessions of a history: what one acknowledged login began, under all ids to which it has
//! moved since.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use super::{
    check::Conditions,
    record::{Event, Operation},
};

/// How exactly the grace of an id is kept.
const TOLERANCE: Duration = Duration::from_millis(20);

pub(super) struct Session<'a> {
    pub(super) user: &'a str,
    /// When its login was acknowledged.
    pub(super) login: Duration,
    /// When the first end of it was acknowledged.
    pub(super) ended: Option<Duration>,
    /// When the first request began that may have ended it.
    may_end: Option<Duration>,
}

/// An id of a session.
#[derive(Clone)]
struct Id {
    session: usize,
    /// A write may have been told the id of a new session, of nobody, in place of one that has
    /// ended.
    is_certain: bool,
    /// The last moment at which it was certainly not renewed yet.
    kept: Duration,
    /// When the first answer arrived that told the next id. [`Duration::MAX`] if the id may have
    /// been renewed although nobody was told, `None` if it was certainly not renewed.
    left: Option<Duration>,
}

pub(super) struct Sessions<'a> {
    pub(super) all: Vec<Session<'a>>,
    ids: BTreeMap<&'a str, Id>,
    of_fingerprint: BTreeMap<String, usize>,
    conditions: Conditions,
}

impl<'a> Sessions<'a> {
    pub(super) fn of(events: &'a [Event], conditions: Conditions) -> Self {
        let (all, ids, of_fingerprint) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut sessions = Self { all, ids, of_fingerprint, conditions };
        sessions.add_logins(events);
        sessions.add_renewed(events);
        for event in events {
            let own = event.fingerprints().into_iter().find(|(_, is_current)| *is_current);
            if let (Some(session), Some((fingerprint, _))) = (sessions.by(event), own) {
                sessions.of_fingerprint.insert(fingerprint, session);
            }
        }
        sessions.note_possible_ends(events);
        sessions.note_renewals(events);
        sessions.note_ends(events);
        sessions
    }

    /// Returns the session with whose id a request was sent.
    pub(super) fn by(&self, event: &Event) -> Option<usize> {
        self.id(event).filter(|id| id.is_certain).map(|id| id.session)
    }

    pub(super) fn of_fingerprint(&self, fingerprint: &str) -> Option<usize> {
        self.of_fingerprint.get(fingerprint).copied()
    }

    /// Returns whether the fingerprint of a session is known, and stays the same.
    pub(super) fn has_one_fingerprint(&self, session: usize) -> bool {
        let mut ids = self.ids.values().filter(|id| id.session == session);
        let is_known = self.of_fingerprint.values().any(|&known| known == session);
        is_known && ids.all(|id| id.left.is_none())
    }

    /// Returns whether an id that was told to a write is certainly that of a new session.
    pub(super) fn is_of_nobody(&self, told: &str) -> bool {
        !self.ids.contains_key(told)
    }

    /// Returns whether a request has used the session whose id it was sent with.
    pub(super) fn is_served(&self, event: &Event) -> bool {
        let is_same = |told: &String| {
            let id = self.ids.get(told.as_str()).filter(|id| id.is_certain);
            id.map(|id| id.session) == self.by(event)
        };
        event.status == 200
            && match event.operation {
                Operation::Get | Operation::List => event.shows(),
                Operation::Set(_) => event.told.as_ref().is_none_or(is_same),
                _ => false,
            }
    }

    /// Returns whether nobody can have ended a session before `end`.
    pub(super) fn lives(&self, session: usize, end: Duration) -> bool {
        self.all[session].may_end.is_none_or(|may_end| may_end > end)
    }

    /// Returns whether the id of a request certainly led to its session until the answer.
    pub(super) fn leads(&self, event: &Event) -> bool {
        let grace = self.conditions.grace.unwrap_or_default().saturating_sub(TOLERANCE);
        self.id(event)
            .is_some_and(|id| id.is_certain && (id.left.is_none() || event.end < id.kept + grace))
    }

    fn id(&self, event: &Event) -> Option<&Id> {
        self.ids.get(event.claim.as_deref()?)
    }

    fn add_logins(&mut self, events: &'a [Event]) {
        for event in events {
            if let (Operation::Login(user), 200, Some(told)) =
                (&event.operation, event.status, &event.told)
            {
                let (session, kept) = (self.all.len(), event.end);
                self.ids.insert(told, Id { session, is_certain: true, kept, left: None });
                self.all.push(Session { user, login: event.end, ended: None, may_end: None });
            }
        }
    }

    /// Adds the ids to which sessions have moved. A read never begins a session, so an id that it
    /// is told is the new one of the same session. A session that a write begins is nobody's.
    fn add_renewed(&mut self, events: &'a [Event]) {
        let moves: Vec<(&str, &str, &Event)> = events
            .iter()
            .filter_map(|event| Some((event.claim()?, event.told_without_login()?, event)))
            .collect();
        let mut of_users = BTreeSet::new();
        let mut of_nobody = BTreeSet::new();
        for event in events {
            if let (Some(claim), Some(is_a_users)) = (event.claim(), event.shows_a_user()) {
                if is_a_users { &mut of_users } else { &mut of_nobody }.insert(claim);
            }
        }
        // A session that is a user's under one id was so under the ids before.
        let mut known = usize::MAX;
        while known != of_users.len() {
            known = of_users.len();
            let before = moves.iter().filter(|(_, told, _)| of_users.contains(told));
            let before: Vec<&str> = before.map(|(claim, ..)| *claim).collect();
            of_users.extend(before);
        }
        let mut changed = true;
        while changed {
            changed = false;
            for (claim, told, event) in &moves {
                let Some(id) = self.ids.get(claim).cloned() else { continue };
                let is_read = event.operation.is_read();
                if !is_read && (self.conditions.grace.is_none() || of_nobody.contains(told)) {
                    continue;
                }
                let is_certain = id.is_certain && is_read || of_users.contains(told);
                let known = self.ids.get(told);
                if known.is_none_or(|known| is_certain && !known.is_certain) {
                    let new = Id { is_certain, kept: event.end, left: None, ..id };
                    self.ids.insert(told, new);
                    changed = true;
                }
            }
        }
    }

    fn note_possible_ends(&mut self, events: &[Event]) {
        for event in events {
            let own = self.id(event).map(|id| id.session);
            let user = own.map(|own| self.all[own].user);
            // The id may be one to which a session has moved although nobody was told.
            let may_be_anybodys = own.is_none() && event.claim.is_some() && event.status != 401;
            for number in 0..self.all.len() {
                let is_own = own == Some(number);
                let may = match &event.operation {
                    Operation::Login(_) | Operation::Logout => is_own,
                    operation if operation.is_end_by_user() => {
                        let is_same_user = user == Some(self.all[number].user);
                        let is_meant = match operation {
                            Operation::EndOne(fingerprint) => {
                                self.of_fingerprint(fingerprint).is_none_or(|it| it == number)
                            }
                            // An id that is renewed meanwhile is recognised within its grace.
                            Operation::EndOthers => {
                                let took = event.end - event.start;
                                !is_own || self.conditions.grace.is_some_and(|it| took >= it)
                            }
                            _ => true,
                        };
                        may_be_anybodys || is_same_user && is_meant
                    }
                    _ => false,
                };
                let session = &mut self.all[number];
                if may && session.may_end.is_none_or(|may_end| event.start < may_end) {
                    session.may_end = Some(event.start);
                }
            }
        }
    }

    /// Notes until when ids were certainly kept, and when they were certainly left.
    fn note_renewals(&mut self, events: &'a [Event]) {
        for event in events {
            let Some(claim) = event.claim() else { continue };
            let is_kept = event.told.is_none() && self.is_served(event);
            let left = match event.told_without_login() {
                Some(_) => Some(event.end),
                None => event.is_uncertain().then_some(Duration::MAX),
            };
            let left = left.filter(|_| self.conditions.grace.is_some());
            let Some(id) = self.ids.get(claim) else { continue };
            // Beside a login the new id may be told to nobody.
            let is_kept = is_kept && self.lives(id.session, event.end);
            let id = self.ids.get_mut(claim).expect("it was found");
            if is_kept {
                id.kept = id.kept.max(event.start);
            }
            id.left = match (id.left, left) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
    }

    fn note_ends(&mut self, events: &[Event]) {
        for event in events.iter().filter(|event| event.status == 200) {
            let Some(own) = self.by(event) else { continue };
            let user = self.all[own].user;
            let leads = self.leads(event);
            for number in 0..self.all.len() {
                let is_own = number == own;
                let is_same_user = self.all[number].user == user;
                let does = match &event.operation {
                    // The grace of an id that was renewed may be over: then it ends nothing.
                    Operation::Login(_) | Operation::Logout => is_own && leads,
                    Operation::EndOne(fingerprint) => {
                        self.of_fingerprint(fingerprint) == Some(number)
                    }
                    Operation::EndOthers => is_same_user && !is_own,
                    Operation::EndAll => is_same_user,
                    _ => false,
                };
                let session = &mut self.all[number];
                let is_first = session.ended.is_none_or(|ended| event.end < ended);
                if does && session.login < event.start && is_first {
                    session.ended = Some(event.end);
                }
            }
        }
    }
}
