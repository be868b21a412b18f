//! The browser that has sent the requests: what its cookie is after the responses.

use session_core::SessionId;

use crate::{
    facts::Facts,
    history::{Event, Record},
    request::{Answer, Cookie, Op, Response},
};

/// Returns the cookie after the responses so far, in their order.
pub(crate) fn cookie(record: &Record, first: Option<SessionId>) -> Option<SessionId> {
    record.events.iter().fold(first, |cookie, event| match event {
        Event::Responded { response, .. } => after(cookie, response),
        _ => cookie,
    })
}

fn after(cookie: Option<SessionId>, response: &Response) -> Option<SessionId> {
    match &response.cookie {
        Cookie::Untouched => cookie,
        Cookie::Sent(id) | Cookie::Rolled(id) => Some(id.clone()),
        Cookie::Removed => None,
    }
}

/// A response does not give the browser a session of its own beside the one that a login has
/// renewed, nor beside a living one.
pub(crate) fn no_session_is_begun_beside_another(facts: &Facts<'_>) -> Option<String> {
    for (request, time, response) in facts.responses() {
        let script = &facts.case.requests[request];
        let Cookie::Sent(id) = &response.cookie else { continue };
        if script.does(|op| matches!(op, Op::Login | Op::Logout)) {
            continue;
        }
        for claim in facts.claims(request) {
            let chain = facts.chain(claim, time);
            let was_ended =
                |id: &SessionId| facts.ends(id).any(|end| end.time < time && end.renewal.is_none());
            let newest = facts.successor(claim);
            let has_expired = facts.ends(&newest).any(|end| end.time < time && end.by.is_none());
            let has_ended = has_expired || chain.iter().any(was_ended);
            if facts.was_stored(claim) && !chain.contains(id) && !has_ended {
                return Some(format!("{} was sent {id:?} beside {claim:?}", script.name));
            }
        }
    }
    None
}

/// A cookie with a new age is that of a session that existed when the store was last asked.
pub(crate) fn only_a_living_session_is_rolled(facts: &Facts<'_>) -> Option<String> {
    facts.responses().find_map(|(request, _, response)| {
        let Cookie::Rolled(id) = &response.cookie else { return None };
        let is_proved = facts.proof(request, id).is_some_and(|(_, exists)| exists);
        (!is_proved).then(|| format!("{} rolls {id:?}", facts.name(request)))
    })
}

/// Only a logout removes the cookie, and only if that session has ended.
pub(crate) fn only_a_logout_removes_the_cookie(facts: &Facts<'_>) -> Option<String> {
    facts.responses().find_map(|(request, time, response)| {
        let script = &facts.case.requests[request];
        let has_ended = facts.claims(request).iter().all(|id| facts.reached(id, time).is_none());
        let is_right = script.does(|op| op == Op::Logout) && has_ended;
        let is_wrong = response.cookie == Cookie::Removed && !is_right;
        is_wrong.then(|| format!("{} removes the cookie", script.name))
    })
}

/// A response names no session that the same request has renewed or ended.
pub(crate) fn no_response_names_an_id_that_its_request_has_ended(
    facts: &Facts<'_>,
) -> Option<String> {
    facts.responses().find_map(|(request, time, response)| {
        let id = response.id.as_ref()?;
        let is_own = |by: Option<usize>| by == Some(request);
        let ended = facts.ends(id).any(|end| end.time < time && is_own(end.request()));
        ended.then(|| format!("{} names {id:?}", facts.name(request)))
    })
}

/// The browser has a living session after all responses, in whatever order those arrive that were
/// under way at the same time, unless the session was ended or the answer to a login was lost.
///
/// The id before a renewal by itself leads to it, within the grace.
///
/// With one exception, which no server can prevent: a response that rolls the cookie, or tells the
/// id after a renewal by itself, made when the session still existed under it, may arrive after the
/// response of the login.
pub(crate) fn the_browser_keeps_its_session(facts: &Facts<'_>) -> Option<String> {
    let is_lost = facts.case.requests.iter().enumerate().any(|(number, script)| {
        let may_lose = script.does(|op| op == Op::Login) && facts.response(number).is_none();
        may_lose || script.does(|op| op == Op::Logout)
    });
    if is_lost || facts.has_expired() || !facts.case.has_session {
        return None;
    }
    let responses: Vec<_> = facts.responses().collect();
    orders(facts, &responses).into_iter().find_map(|order| {
        let first = Some(facts.first.clone());
        let cookie = order.iter().fold(first, |cookie, (_, _, response)| after(cookie, response));
        let is_alive = cookie.as_ref().is_some_and(|id| facts.reached(id, usize::MAX).is_some());
        let setter =
            order.iter().rev().find(|(_, _, response)| response.cookie != Cookie::Untouched);
        let is_overtaken = setter.is_some_and(|(request, _, response)| match &response.cookie {
            Cookie::Rolled(id) => facts.proof(*request, id).is_some_and(|(_, exists)| exists),
            Cookie::Sent(id) => is_told_in_time(facts, *request, id),
            _ => false,
        });
        let names: Vec<_> = order.iter().map(|(request, ..)| facts.name(*request)).collect();
        (!is_alive && !is_overtaken).then(|| format!("{cookie:?} after {names:?}"))
    })
}

/// Returns whether the session had moved to this id by itself, and still existed under it when the
/// store was last asked.
fn is_told_in_time(facts: &Facts<'_>, request: usize, id: &SessionId) -> bool {
    let is_own = facts.generated(request).any(|(_, new)| new == id);
    let mut claims = facts.claims(request).iter();
    let has_moved = claims.any(|claim| facts.chain(claim, usize::MAX).contains(id));
    has_moved && (is_own || facts.proof(request, id).is_some_and(|(_, exists)| exists))
}

/// The response of a login sends the new id.
pub(crate) fn a_login_sends_its_id(facts: &Facts<'_>) -> Option<String> {
    facts.answers().find_map(|(_, request, op, answer)| {
        let Answer::Renewed(Some(id)) = answer else { return None };
        let (_, response) =
            facts.response(request).filter(|(_, response)| response.failure.is_none())?;
        let has_logged_out = facts.case.requests[request].does(|op| op == Op::Logout);
        let is_sent = response.cookie == Cookie::Sent(id.clone());
        (op == Op::Login && !is_sent && !has_logged_out)
            .then(|| format!("{} does not send {id:?}", facts.name(request)))
    })
}

type Arrived<'a> = (usize, usize, &'a Response);

/// Returns the orders in which responses can arrive. A request that began after a response comes
/// after it.
fn orders<'a>(facts: &Facts<'_>, responses: &[Arrived<'a>]) -> Vec<Vec<Arrived<'a>>> {
    if responses.is_empty() {
        return vec![vec![]];
    }
    let mut found = Vec::new();
    for (position, last) in responses.iter().enumerate() {
        let precedes =
            |other: &Arrived<'_>| facts.started(other.0).is_some_and(|start| last.1 < start);
        if responses.iter().any(precedes) {
            continue;
        }
        let mut rest = responses.to_vec();
        rest.remove(position);
        for mut order in orders(facts, &rest) {
            order.push(*last);
            found.push(order);
        }
    }
    found
}
