//! What has to hold after every run. The rules look at answers and at the store itself, and know
//! nothing of how the product works.

use session_core::{SessionId, Snapshot};

use crate::{
    browser,
    facts::{End, Facts},
    items, lifetimes,
    request::{Answer, Claim, Cookie, Failure, Op},
};

type Rule = fn(&Facts<'_>) -> Option<String>;

const RULES: &[(&str, Rule)] = &[
    ("waiting ends", waiting_ends),
    ("a closed session stays closed", a_closed_session_stays_closed),
    ("G2, G3: no id lives twice, and none that was not issued", only_issued_ids_live_once),
    ("G4: a renewal keeps everything", a_renewal_keeps_everything),
    ("G4: an old id is dead at once, and one id lives", one_id_lives),
    ("G4: no copy is left", no_copy_is_left),
    ("G1, G7: an acknowledged write is kept", acknowledged_writes_are_kept),
    ("G7: a refused write has no effect", refused_writes_have_no_effect),
    ("a refusal has a cause", refusals_have_a_cause),
    ("G2: a logout is final", a_logout_is_final),
    ("G2: a session that has ended is not read", ended_sessions_are_not_read),
    ("G4, G6: a living session is found", living_sessions_are_found),
    ("G4: an id before a login leads nowhere", an_id_before_a_login_leads_nowhere),
    ("G13: every increment counts once", items::every_increment_counts_once),
    ("G13: an item is taken at most once", items::an_item_is_taken_at_most_once),
    ("G15: nothing outlives its absolute end", lifetimes::nothing_outlives_its_absolute_end),
    ("G14: an id is renewed by itself once", lifetimes::an_id_is_renewed_by_itself_once),
    ("G14: no session is begun beside another", browser::no_session_is_begun_beside_another),
    ("G14: only a living session is rolled", browser::only_a_living_session_is_rolled),
    ("G14: only a logout removes the cookie", browser::only_a_logout_removes_the_cookie),
    ("G14: no id ended here is named", browser::no_response_names_an_id_that_its_request_has_ended),
    ("G14: a login sends its id", browser::a_login_sends_its_id),
    ("G14: the browser keeps its session", browser::the_browser_keeps_its_session),
];

/// Returns the rules that a run has broken.
pub(crate) fn broken(facts: &Facts<'_>) -> Vec<String> {
    let broken = |(name, rule): &(&str, Rule)| Some(format!("{name}: {}", rule(facts)?));
    RULES.iter().filter_map(broken).collect()
}

pub(crate) fn has(session: Option<&Snapshot>, key: &str, value: u32) -> bool {
    session.and_then(|session| session.item(key)) == Some(&*value.to_string())
}

fn waiting_ends(facts: &Facts<'_>) -> Option<String> {
    if facts.is_stuck() {
        return Some("a request does not end".to_owned());
    }
    let requests = 0..facts.case.requests.len();
    let unanswered =
        |number: &usize| facts.response(*number).is_none() && !facts.was_dropped(*number);
    let number = requests.clone().find(unanswered)?;
    Some(format!("{} is not answered", facts.name(number)))
}

fn a_closed_session_stays_closed(facts: &Facts<'_>) -> Option<String> {
    facts.answers().find_map(|(_, request, op, answer)| {
        let is_refused = matches!(answer, Answer::Failed(Failure::Closed));
        (op == Op::Reuse && !is_refused).then(|| format!("{}: {answer:?}", facts.name(request)))
    })
}

fn only_issued_ids_live_once(facts: &Facts<'_>) -> Option<String> {
    for (time, by, changes) in facts.changes() {
        for (id, stored) in changes {
            let ended = facts.ends(id).any(|end| end.time < time);
            let is_issued = Some(id) == facts.record.ids.first()
                || (0..facts.case.requests.len())
                    .any(|number| facts.generated(number).any(|(_, generated)| generated == id));
            if stored.is_some() && (ended || !is_issued) {
                return Some(format!("{id:?} by {by:?}"));
            }
        }
    }
    None
}

fn a_renewal_keeps_everything(facts: &Facts<'_>) -> Option<String> {
    for old in &facts.record.ids {
        let Some(end) = facts.ends(old).find(|end| end.renewal.is_some()) else { continue };
        let before = facts.at(old, end.time - 1);
        let new = end.renewal.and_then(|renewal| facts.at(renewal.to, end.time));
        if new.map(Snapshot::stored) != before.map(Snapshot::stored) {
            return Some(format!("{old:?} was {before:?}, and is {new:?}"));
        }
    }
    None
}

fn one_id_lives(facts: &Facts<'_>) -> Option<String> {
    for (time, request, _, answer) in facts.answers() {
        let Answer::Renewed(Some(new)) = answer else { continue };
        let mut claims = facts.claims(request).iter();
        if let Some(old) = claims.find(|old| facts.at(old, time).is_some()) {
            return Some(format!("{old:?} lives beside {new:?}"));
        }
        let is_beside = |id: &&SessionId| {
            has(facts.at(id, time), "n", 1) && facts.successor(new) != facts.successor(id)
        };
        let was_moved = has(facts.at(new, time), "n", 1);
        if let Some(old) = facts.told().into_iter().find(is_beside).filter(|_| was_moved) {
            return Some(format!("{old:?} lives beside the login {new:?}"));
        }
    }
    let alive = |id: &&SessionId| has(facts.last(id), "n", 1);
    let alive: Vec<_> = facts.told().into_iter().filter(alive).collect();
    (alive.len() > 1).then(|| format!("{alive:?} live"))
}

/// A session that no client knows is one whose request was dropped.
fn no_copy_is_left(facts: &Facts<'_>) -> Option<String> {
    let told = facts.told();
    let mut unknown = facts.record.stored.keys().filter(|id| !told.contains(id));
    let left = unknown.find(|id| {
        let generates = |number: &usize| facts.generated(*number).any(|(_, new)| new == *id);
        (0..facts.case.requests.len()).find(generates).is_some_and(|by| !facts.was_dropped(by))
    })?;
    Some(format!("{left:?} is known to no client"))
}

/// Returns whether another request may have changed this item after the write.
fn is_overwritten(facts: &Facts<'_>, writer: usize, key: &str) -> bool {
    let start = facts.started(writer).expect("it has written");
    (0..facts.case.requests.len()).filter(|other| *other != writer).any(|other| {
        let end = facts.response(other).map_or(usize::MAX, |(time, _)| time);
        facts.case.requests[other].does(|op| op.writes(key)) && end > start
    })
}

fn acknowledged_writes_are_kept(facts: &Facts<'_>) -> Option<String> {
    for (request, time, response) in
        facts.responses().filter(|(.., response)| response.failure.is_none())
    {
        let script = &facts.case.requests[request];
        if script.strands.len() > 1 && script.does(|op| op == Op::Logout) {
            // A write beside the logout of the same request may come before or after it.
            continue;
        }
        let done = facts.done(request);
        let logout = done.iter().rposition(|(_, op)| *op == Op::Logout).map_or(0, |at| at + 1);
        let done = &done[logout..];
        for (position, (_, op)) in done.iter().enumerate() {
            let (key, value) = match *op {
                Op::Set(key, value) => (key, Some(value)),
                Op::Remove(key) => (key, None),
                _ => continue,
            };
            let again = done[position + 1..].iter().any(|(_, later)| later.writes(key));
            if again || is_overwritten(facts, request, key) {
                continue;
            }
            let mut claims = facts.claims(request).iter();
            // Without the id in its response, the session was renewed or ended before that.
            let living = claims.clone().find(|id| facts.reached(id, time).is_some());
            let living = living.or_else(|| claims.find(|id| facts.was_stored(id)));
            let Some(home) = response.id.as_ref().or(living) else {
                if value.is_none() {
                    continue;
                }
                return Some(format!("{}: {op:?} has no session", facts.name(request)));
            };
            let home = facts.successor(home);
            let was_ended =
                facts.ends(&home).any(|end| end.by.is_none_or(|by| by.op == Op::Logout));
            let stored = facts.last(&home);
            let is_kept = match value {
                Some(value) => has(stored, key, value),
                None => stored.is_some_and(|session| session.item(key).is_none()),
            };
            if !is_kept && (stored.is_some() || !was_ended) {
                return Some(format!("{}: {op:?} is lost", facts.name(request)));
            }
        }
    }
    None
}

fn refused_writes_have_no_effect(facts: &Facts<'_>) -> Option<String> {
    let is_stored = |key: &str, value: u32| {
        facts.record.stored.values().any(|session| has(Some(session), key, value))
    };
    for (_, request, op, answer) in facts.answers() {
        let Op::Set(key, value) = op else { continue };
        let is_saved = facts.done(request).iter().any(|(_, op)| *op == Op::Save);
        let (_, response) = facts.response(request)?;
        let is_conflict = |failure| failure == Some(Failure::Vanished);
        let is_refused = matches!(answer, Answer::Failed(Failure::Vanished))
            || facts.is_whole && !is_saved && is_conflict(response.failure);
        if is_refused && is_stored(key, value) {
            return Some(format!("{}: {op:?} is stored", facts.name(request)));
        }
    }
    None
}

fn refusals_have_a_cause(facts: &Facts<'_>) -> Option<String> {
    for (request, time, response) in facts.responses() {
        let Some(failure) = response.failure else { continue };
        let script = &facts.case.requests[request];
        let own = facts.generated(request).map(|(_, id)| id);
        let ended_by_another = |id: &SessionId| {
            facts.chain(id, time).iter().any(|id| {
                let is_cause = |end: &End<'_>| end.request() != Some(request) && !end.is_followed();
                facts.ends(id).any(|end| end.time < time && is_cause(&end))
            })
        };
        let has_cause = match failure {
            Failure::Vanished => facts.claims(request).iter().chain(own).any(ended_by_another),
            Failure::Timeout => script.kept.is_some(),
            _ => false,
        };
        if !has_cause {
            return Some(format!("{}: {failure:?}", script.name));
        }
    }
    None
}

fn a_logout_is_final(facts: &Facts<'_>) -> Option<String> {
    for (time, request, op, answer) in facts.answers() {
        if op != Op::Logout || !matches!(answer, Answer::Done) {
            continue;
        }
        let name = facts.name(request);
        let claims = facts.claims(request);
        if let Some(alive) = claims.iter().find(|id| facts.reached(id, time).is_some()) {
            return Some(format!("{name}: {alive:?} lives after its logout"));
        }
        let was_renewed = claims.iter().flat_map(|id| facts.chain(id, time)).any(|id| {
            let is_before =
                |end: &End<'_>| end.request() != Some(request) && end.time < time && end.is_login();
            facts.ends(&id).any(|end| is_before(&end))
        });
        let told = facts.told();
        let mut restored = told.iter().filter(|id| has(facts.last(id), "n", 1));
        let is_invented = facts.case.requests[request].claim == Claim::Invented;
        if let Some(id) = restored.next().filter(|_| !was_renewed && !is_invented) {
            return Some(format!("{name}: {id:?} has the data of a session that was ended"));
        }
        let before = facts.answers().filter(|(at, by, ..)| *by == request && *at < time);
        let stored = |op| match op {
            Op::Set(key, value) => facts
                .record
                .stored
                .values()
                .any(|session: &Snapshot| has(Some(session), key, value)),
            _ => false,
        };
        if before.map(|(_, _, op, _)| op).any(stored) {
            return Some(format!("{name}: a write before the logout is restored"));
        }
        let sets_later =
            facts.done(request).iter().any(|(at, op)| *at > time && matches!(op, Op::Set(..)));
        let cookie = facts.response(request).map(|(_, response)| &response.cookie);
        if !sets_later && matches!(cookie, Some(Cookie::Sent(_) | Cookie::Rolled(_))) {
            return Some(format!("{name}: {cookie:?} after a logout"));
        }
    }
    None
}

fn ended_sessions_are_not_read(facts: &Facts<'_>) -> Option<String> {
    facts.answers().find_map(|(_, request, op, answer)| {
        let start = facts.started(request).expect("it has read");
        let has_ended = facts.claims(request).iter().all(|id| facts.reached(id, start).is_none());
        let sets = facts.case.requests[request].does(|op| matches!(op, Op::Set(..)));
        let is_found = matches!(answer, Answer::Found(true) | Answer::Taken(true));
        (is_found && has_ended && !sets).then(|| format!("{}: {op:?}", facts.name(request)))
    })
}

fn living_sessions_are_found(facts: &Facts<'_>) -> Option<String> {
    facts.answers().find_map(|(time, request, op, answer)| {
        let (Op::Get(key), Answer::Found(false)) = (op, answer) else { return None };
        let start = facts.started(request).expect("it has read");
        let has_it = |id: &SessionId, at: usize| {
            facts.reached(id, at).is_some_and(|session| session.item(key).is_some())
        };
        let mut claims = facts.claims(request).iter();
        let missed = claims.find(|id| {
            let mut later = facts.changes().filter(|(at, ..)| (start..time).contains(at));
            has_it(id, start) && later.all(|(at, ..)| has_it(id, at))
        })?;
        let own = facts.case.requests[request]
            .does(|op| matches!(op, Op::Login | Op::Logout | Op::Remove(_) | Op::Take(_)));
        (!own).then(|| format!("{}: {op:?} does not find {missed:?}", facts.name(request)))
    })
}

/// A request that is sent with an id after a login has renewed it reads nothing of the session, and
/// writes nothing to it.
fn an_id_before_a_login_leads_nowhere(facts: &Facts<'_>) -> Option<String> {
    (0..facts.case.requests.len()).find_map(|request| {
        let start = facts.started(request)?;
        let mut claims = facts.claims(request).iter().map(|claim| facts.leads_to(claim, start));
        let is_old = claims.any(|id| facts.ends(&id).any(|end| end.is_login() && end.time < start));
        let script = &facts.case.requests[request];
        if !is_old || script.does(|op| matches!(op, Op::Login | Op::Logout)) {
            return None;
        }
        let stores = |op| match op {
            Op::Set(key, value) => {
                facts.record.stored.values().any(|session| has(Some(session), key, value))
            }
            _ => false,
        };
        let gets = facts.answers().any(|(_, by, _, answer)| {
            by == request && matches!(answer, Answer::Taken(true) | Answer::Counted(_))
        });
        (gets || script.does(stores)).then(|| format!("{} reaches it", script.name))
    })
}
