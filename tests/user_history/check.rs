//! The rules, independent of the product. A session is what one acknowledged login began, with all
//! ids to which it has moved since.

use std::{collections::BTreeMap, time::Duration};

use serde_json::Value;

use super::{
    load::fingerprints,
    record::{Event, Operation},
};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Rule {
    EndedIsEnded,
    NobodyElse,
    NobodyLoggedOut,
    ListIsComplete,
    ProperAnswer,
}

struct Session<'a> {
    user: &'a str,
    /// When its login was acknowledged.
    login: Duration,
    /// When the first end of it was acknowledged.
    ended: Option<Duration>,
    /// When the first request began that may have ended it.
    may_end: Option<Duration>,
    /// When the first request began that renewed its id by itself.
    moved: Option<Duration>,
}

/// Returns what contradicts the rules. With `faults`, requests may fail.
pub(crate) fn check(events: &[Event], faults: bool) -> Vec<(Rule, Event)> {
    let mut sessions: Vec<Session<'_>> = Vec::new();
    let mut of_id: BTreeMap<&str, usize> = BTreeMap::new();
    for event in events {
        if let (Operation::Login(user), 200, Some(id)) =
            (&event.operation, event.status, &event.told)
        {
            of_id.insert(id, sessions.len());
            let login = event.end;
            sessions.push(Session { user, login, ended: None, may_end: None, moved: None });
        }
    }
    add_renewed_ids(events, &mut sessions, &mut of_id);
    let of = |event: &Event| of_id.get(event.claim.as_deref()?).copied();
    let mut of_fingerprint: BTreeMap<String, usize> = BTreeMap::new();
    let mut writers: BTreeMap<u64, usize> = BTreeMap::new();
    for event in events {
        let Some(session) = of(event) else { continue };
        match event.operation {
            Operation::List => {
                let current = fingerprints(&event.body).into_iter().find(|(_, current)| *current);
                of_fingerprint.extend(current.map(|(fingerprint, _)| (fingerprint, session)));
            }
            // A new id may be that of a session of nobody, in place of one that has ended.
            Operation::Set(number) if event.told.is_none() => {
                writers.insert(number, session);
            }
            _ => {}
        }
    }
    for event in events {
        let by = of(event);
        let user = by.map(|by| sessions[by].user);
        for (number, session) in sessions.iter_mut().enumerate() {
            let own = by == Some(number);
            let same_user = user == Some(session.user);
            // Whether it may end this session, and whether it does if it is acknowledged.
            let (may, does) = match &event.operation {
                // The grace of an id that was renewed may be over: then it ends nothing.
                Operation::Login(_) | Operation::Logout => {
                    (own, own && session.moved.is_none_or(|moved| moved > event.end))
                }
                Operation::EndOne(fingerprint) => {
                    let ended = of_fingerprint.get(fingerprint);
                    (ended.is_none_or(|&it| it == number) && same_user, ended == Some(&number))
                }
                Operation::EndOthers => (same_user && !own, same_user && !own),
                Operation::EndAll => (same_user, same_user),
                _ => (false, false),
            };
            // The id may be one to which a write has moved a session.
            let may = may
                || by.is_none()
                    && event.claim.is_some()
                    && event.status != 401
                    && matches!(
                        event.operation,
                        Operation::EndOne(_) | Operation::EndOthers | Operation::EndAll
                    );
            if may && session.may_end.is_none_or(|may_end| event.start < may_end) {
                session.may_end = Some(event.start);
            }
            let certain = does && event.status == 200 && session.login < event.start;
            if certain && session.ended.is_none_or(|ended| event.end < ended) {
                session.ended = Some(event.end);
            }
        }
    }
    let mut violations = Vec::new();
    for event in events {
        let mut violated = |rule| violations.push((rule, event.clone()));
        let may_fail = matches!(event.operation, Operation::EndOne(_) | Operation::EndOthers)
            || event.operation == Operation::EndAll;
        if !(matches!(event.status, 200 | 409)
            || may_fail && matches!(event.status, 401 | 404)
            || faults && matches!(event.status, 0 | 503))
        {
            violated(Rule::ProperAnswer);
        }
        let is_read = matches!(event.operation, Operation::Get | Operation::List);
        let Some(by) = of(event).filter(|_| is_read && event.status == 200) else { continue };
        let session = &sessions[by];
        if shows(event) && session.ended.is_some_and(|ended| ended < event.start) {
            violated(Rule::EndedIsEnded);
        }
        let lives = session.login < event.start
            && session.may_end.is_none_or(|may_end| may_end > event.end)
            && session.moved.is_none_or(|moved| moved > event.end);
        if lives && !shows(event) {
            violated(Rule::NobodyLoggedOut);
        }
        if let Some(writer) = value(event).and_then(|value| writers.get(&value))
            && sessions[*writer].user != session.user
        {
            violated(Rule::NobodyElse);
        }
        if event.operation != Operation::List || !shows(event) {
            continue;
        }
        let listed: Vec<usize> = fingerprints(&event.body)
            .iter()
            .filter_map(|(fingerprint, _)| of_fingerprint.get(fingerprint).copied())
            .collect();
        if listed.iter().any(|&number| sessions[number].user != session.user) {
            violated(Rule::NobodyElse);
        }
        let missing = |(number, other): (usize, &Session<'_>)| {
            other.user == session.user
                && other.login < event.start
                && other.may_end.is_none_or(|may_end| may_end > event.end)
                && other.moved.is_none_or(|moved| moved > event.end)
                && of_fingerprint.values().any(|&known| known == number)
                && !listed.contains(&number)
        };
        if sessions.iter().enumerate().any(missing) {
            violated(Rule::ListIsComplete);
        }
    }
    violations
}

/// A read never begins a session, so an id that it is told is the new one of the same session.
fn add_renewed_ids<'a>(
    events: &'a [Event],
    sessions: &mut [Session<'a>],
    of_id: &mut BTreeMap<&'a str, usize>,
) {
    loop {
        let known = of_id.len();
        for event in events {
            let is_read = matches!(event.operation, Operation::Get | Operation::List);
            let (true, Some(claim), Some(told)) = (is_read, &event.claim, &event.told) else {
                continue;
            };
            if let Some(&session) = of_id.get(claim.as_str()) {
                note_move(&mut sessions[session], event);
                of_id.insert(told, session);
            }
        }
        if of_id.len() == known {
            break;
        }
    }
    // An id that a write is told may also be that of a new session, of nobody.
    for event in events.iter().filter(|event| !matches!(event.operation, Operation::Login(_))) {
        if let (Some(claim), Some(_)) = (&event.claim, &event.told)
            && let Some(&session) = of_id.get(claim.as_str())
        {
            note_move(&mut sessions[session], event);
        }
    }
}

fn note_move(session: &mut Session<'_>, event: &Event) {
    session.moved = Some(session.moved.map_or(event.start, |moved| moved.min(event.start)));
}

/// Returns whether an answer shows an item or a session.
fn shows(event: &Event) -> bool {
    match serde_json::from_str(&event.body) {
        Ok(Value::Object(items)) => !items.is_empty(),
        Ok(Value::Array(sessions)) => !sessions.is_empty(),
        _ => false,
    }
}

fn value(event: &Event) -> Option<u64> {
    serde_json::from_str::<Value>(&event.body).ok()?.get("a")?.as_u64()
}
