//! Small histories that break a rule, or only just obey it.

use std::{slice, time::Duration};

use super::{
    check::{Conditions, Rule, check},
    record::{Event, Operation},
};

const GRACE: Duration = Duration::from_millis(100);
const CONDITIONS: Conditions = Conditions { failures: &[], grace: Some(GRACE) };

/// A request that was under way from `start` to `start + 2`.
pub(super) fn event(
    start: u64,
    operation: Operation,
    claim: &str,
    told: &str,
    body: &str,
) -> Event {
    let id = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    let time = Duration::from_millis;
    let (claim, told, body) = (id(claim), id(told), body.to_owned());
    Event { operation, claim, told, status: 200, body, start: time(start), end: time(start + 2) }
}

pub(super) fn login(start: u64, user: &str, told: &str) -> Event {
    event(start, Operation::Login(user.to_owned()), "", told, "ok")
}

pub(super) fn list(start: u64, claim: &str, sessions: &[(&str, bool)]) -> Event {
    let object = |(fingerprint, current): &(&str, bool)| {
        format!(r#"{{"fingerprint":"{fingerprint}","current":{current}}}"#)
    };
    let objects: Vec<String> = sessions.iter().map(object).collect();
    event(start, Operation::List, claim, "", &format!("[{}]", objects.join(",")))
}

/// A read that shows the session of a user.
pub(super) fn shown(start: u64, claim: &str) -> Event {
    event(start, Operation::Get, claim, "", r#"{"a":1,"address":"::1"}"#)
}

/// A read that finds nothing.
pub(super) fn empty(start: u64, claim: &str) -> Event {
    event(start, Operation::Get, claim, "", "{}")
}

/// A read that is told the new id of its session.
pub(super) fn renewed(start: u64, claim: &str, told: &str) -> Event {
    Event { told: Some(told.to_owned()), ..shown(start, claim) }
}

pub(super) fn end(start: u64, operation: Operation, claim: &str) -> Event {
    event(start, operation, claim, "", r#"{"ended":1}"#)
}

fn with_status(event: &Event, status: u16) -> Event {
    Event { status, body: String::new(), ..event.clone() }
}

/// Returns the rules that are broken once bob has logged in twice and alice once, and each has
/// listed the sessions.
pub(super) fn broken_by_three(events: &[Event]) -> Vec<Rule> {
    let logins = [login(0, "bob", "one"), login(0, "bob", "two"), login(0, "alice", "hers")];
    let lists = [
        list(5, "one", &[("f1", true), ("f2", false)]),
        list(5, "two", &[("f1", false), ("f2", true)]),
        list(5, "hers", &[("f3", true)]),
    ];
    broken(&[&logins[..], &lists, events].concat())
}

pub(super) fn broken(events: &[Event]) -> Vec<Rule> {
    check(events, CONDITIONS).into_iter().map(|(rule, _)| rule).collect()
}

#[test]
fn every_answer_is_one_of_a_few() {
    let answers = |operation: Operation, status| {
        broken(&[with_status(&event(10, operation, "", "", ""), status)])
    };
    for status in [0, 400, 401, 404, 409, 500, 503] {
        assert_eq!(answers(Operation::Get, status), [Rule::ProperAnswer], "{status}");
    }
    for status in [0, 400, 401, 404, 500, 503] {
        assert_eq!(answers(Operation::Set(1), status), [Rule::ProperAnswer], "{status}");
        assert_eq!(answers(Operation::Logout, status), [Rule::ProperAnswer], "{status}");
    }
    assert_eq!(answers(Operation::Set(1), 409), []);
    for status in [200, 401, 404, 409] {
        assert_eq!(answers(Operation::EndAll, status), [], "{status}");
    }
    let fault = Conditions { failures: &[503], ..CONDITIONS };
    for (status, is_proper) in [(503, true), (0, false)] {
        let failed = with_status(&empty(10, "one"), status);
        assert_eq!(check(&[failed], fault).is_empty(), is_proper, "{status}");
    }
}

#[test]
fn what_was_ended_is_not_served() {
    let end = |claim| end(10, Operation::EndAll, claim);
    let logins = [login(0, "bob", "one"), login(0, "bob", "two")];
    let [one, two] = logins;
    let served = |read| broken(&[one.clone(), two.clone(), end("one"), read]);
    assert_eq!(served(shown(13, "two")), [Rule::EndedIsEnded]);
    assert_eq!(served(shown(13, "one")), [Rule::EndedIsEnded]);
    assert_eq!(served(empty(13, "two")), []);
    assert_eq!(served(shown(11, "two")), [], "they overlap");
    let write = event(13, Operation::Set(1), "two", "", "ok");
    assert_eq!(served(write.clone()), [Rule::EndedIsEnded], "a write is served");
    assert_eq!(served(Event { told: Some("new".to_owned()), ..write }), [], "it begins another");
    let late = login(9, "bob", "late");
    assert_eq!(broken(&[one.clone(), late, end("one"), shown(13, "late")]), [], "either order");
    let failed = with_status(&end("one"), 503);
    let [at_once, later] = [shown(13, "two"), empty(23, "two")];
    let fault = Conditions { failures: &[503], ..CONDITIONS };
    assert!(check(&[one, two, failed, at_once, later], fault).is_empty(), "it is not certain");
}

#[test]
fn ending_one_session_ends_that_one() {
    let after = |read| broken_by_three(&[end(10, Operation::EndOne("f2".to_owned()), "one"), read]);
    assert_eq!(after(shown(13, "two")), [Rule::EndedIsEnded]);
    assert_eq!(after(empty(13, "two")), []);
    for other in ["one", "hers"] {
        assert_eq!(after(shown(13, other)), []);
        assert_eq!(after(empty(13, other)), [Rule::NobodyLoggedOut], "{other}");
    }
    let refused = with_status(&end(10, Operation::EndOne("f2".to_owned()), "one"), 404);
    assert_eq!(broken_by_three(&[refused, shown(13, "two")]), [], "it was not ended");
    let unknown = end(10, Operation::EndOne("f4".to_owned()), "one");
    for read in [shown(13, "two"), empty(13, "two")] {
        assert_eq!(broken_by_three(&[unknown.clone(), read]), [], "it may be this one");
    }
    assert_eq!(broken_by_three(&[unknown, empty(13, "hers")]), [Rule::NobodyLoggedOut]);
}

#[test]
fn ending_the_others_ends_all_but_one() {
    let after = |read| broken_by_three(&[end(10, Operation::EndOthers, "one"), read]);
    assert_eq!(after(shown(13, "two")), [Rule::EndedIsEnded]);
    assert_eq!(after(empty(13, "two")), []);
    for other in ["one", "hers"] {
        assert_eq!(after(shown(13, other)), []);
    }
    assert_eq!(after(empty(13, "hers")), [Rule::NobodyLoggedOut]);
    assert_eq!(after(empty(13, "one")), [Rule::NobodyLoggedOut]);
    let slow = end(10, Operation::EndOthers, "one");
    let slow = Event { end: slow.start + GRACE, ..slow };
    assert_eq!(broken_by_three(&[slow, empty(200, "one")]), [], "renewed, and the grace is over");
}

#[test]
fn a_logout_and_a_login_end_the_session_of_the_request() {
    let again = Event { claim: Some("one".to_owned()), ..login(10, "bob", "again") };
    for end in [event(10, Operation::Logout, "one", "", "ok"), again] {
        let after = |read| broken_by_three(&[end.clone(), read]);
        assert_eq!(after(shown(13, "one")), [Rule::EndedIsEnded]);
        assert_eq!(after(empty(13, "one")), []);
        assert_eq!(after(shown(11, "one")), [], "they overlap");
        assert_eq!(after(shown(13, "two")), []);
        assert_eq!(after(empty(13, "two")), [Rule::NobodyLoggedOut]);
    }
}

#[test]
fn nobody_sees_what_is_another_users() {
    let set = event(5, Operation::Set(7), "one", "", "ok");
    let get = event(10, Operation::Get, "two", "", r#"{"a":7}"#);
    let of =
        |user| broken(&[login(0, "bob", "one"), login(0, user, "two"), set.clone(), get.clone()]);
    assert_eq!(of("alice"), [Rule::NobodyElse]);
    assert_eq!(of("bob"), []);
    let foreign = list(10, "hers", &[("f3", true), ("f1", false)]);
    assert_eq!(broken_by_three(&[foreign]), [Rule::NobodyElse]);
}

#[test]
fn nobody_is_logged_out_without_an_end() {
    assert_eq!(broken_by_three(&[empty(10, "one")]), [Rule::NobodyLoggedOut]);
    assert_eq!(broken_by_three(&[list(10, "one", &[])]), [Rule::NobodyLoggedOut]);
    let logout = with_status(&event(11, Operation::Logout, "one", "", ""), 409);
    assert_eq!(broken_by_three(&[empty(10, "one"), logout.clone()]), [], "it may have ended");
    let refused = with_status(&event(10, Operation::Set(1), "one", "", ""), 409);
    assert_eq!(broken_by_three(slice::from_ref(&refused)), [Rule::NobodyLoggedOut]);
    assert_eq!(broken_by_three(&[refused, logout]), []);
    let other = with_status(&end(10, Operation::EndOne("f2".to_owned()), "one"), 401);
    assert_eq!(broken_by_three(&[other]), [Rule::NobodyLoggedOut]);
}

#[test]
fn a_list_has_all_sessions_of_its_user() {
    let history = |start| {
        let first = list(20, "one", &[("f1", true)]);
        let second = list(30, "two", &[("f2", true), ("f1", false)]);
        [login(0, "bob", "one"), login(start, "bob", "two"), first, second]
    };
    assert_eq!(broken(&history(17)), [Rule::ListIsComplete]);
    assert_eq!(broken(&history(19)), [], "they overlap");
    let short = list(20, "one", &[("f1", true)]);
    let other = end(18, Operation::EndOne("f2".to_owned()), "one");
    assert_eq!(broken_by_three(&[other, short]), [], "it may have ended");
    let unknown = list(20, "one", &[("f1", true), ("f9", false)]);
    assert_eq!(broken_by_three(&[unknown]), [Rule::ListIsComplete], "f2 is that of the other");
    // A session whose own list nobody has seen may be one with an unknown fingerprint.
    let unknown = |listed: &[_]| {
        broken(&[login(0, "bob", "one"), login(0, "bob", "two"), list(10, "one", listed)])
    };
    assert_eq!(unknown(&[("f1", true), ("f2", false)]), []);
    assert_eq!(unknown(&[("f1", true)]), [Rule::ListIsComplete]);
}
