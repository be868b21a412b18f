//! Checks the history of servers with near caches.

use std::{collections::BTreeSet, time::Duration};

use super::{
    check::check,
    record::{Answer, Event, History, Operation},
    rule::{Expiry, Rule, Violation, micros},
};

/// Longer than any run.
const LONGER_THAN_ANY_RUN: Duration = Duration::from_secs(1_000_000);

/// Finds all violations in a history of servers with near caches. A server must know its own
/// acknowledged writes at once and those of other servers after `lag`.
pub(crate) fn check_near_cache(history: &History, lag: Duration, expiry: Expiry) -> Vec<Violation> {
    let nodes: BTreeSet<usize> = history.events.iter().map(|event| event.node).collect();
    let is_read = |event: &Event| matches!(event.operation, Operation::Get | Operation::GetItem(_));
    let seen_by = |node| {
        let mut own = history.events.clone();
        for event in own.iter_mut().filter(|event| event.node != node) {
            if is_read(event) {
                // Reads of other servers prove nothing to this one.
                event.answer = Answer::Cut("ignored".to_owned());
            }
        }
        let mut late = own.clone();
        for event in own.iter_mut().filter(|event| event.node != node) {
            event.answered += micros(LONGER_THAN_ANY_RUN);
        }
        for event in late.iter_mut().filter(|event| event.node == node && is_read(event)) {
            event.sent = event.sent.saturating_sub(micros(lag));
        }
        [own, late].map(|events| check(&History { events, losses: history.losses.clone() }, expiry))
    };
    // A server asks Redis before it decides on a cookie.
    let is_of_cookie = |violation: &Violation| {
        matches!(violation.rule, Rule::CookieIsNewest | Rule::CookieOutlastsSession)
    };
    let of_cookies = check(history, expiry).into_iter().filter(is_of_cookie);
    nodes.into_iter().flat_map(seen_by).flatten().chain(of_cookies).collect()
}
