//! Small histories with sessions that were renewed by themselves.

use super::{
    check::{Conditions, Rule, check},
    check_tests::{broken, broken_by_three, empty, end, event, list, login, renewed, shown},
    record::{Event, Operation},
};

/// Long after the grace of an id that was renewed before 20.
const LATE: u64 = 200;

/// A write that is told an id: a new one of its session, or that of a session that it begins.
fn told_to_write(start: u64, claim: &str, told: &str) -> Event {
    event(start, Operation::Set(7), claim, told, "ok")
}

#[test]
fn a_renewed_session_is_still_ended() {
    let moves = [renewed(10, "two", "new"), renewed(15, "new", "newer")];
    let after = |end: Event, read| broken_by_three(&[&moves[..], &[end, read]].concat());
    for id in ["two", "new", "newer"] {
        let others = end(30, Operation::EndOthers, "one");
        assert_eq!(after(others, shown(33, id)), [Rule::EndedIsEnded], "{id}");
        let one = end(30, Operation::EndOne("f2".to_owned()), "one");
        assert_eq!(after(one, shown(33, id)), [Rule::EndedIsEnded], "{id}");
        let own = event(30, Operation::Logout, id, "", "ok");
        assert_eq!(after(own, shown(33, "newer")), [Rule::EndedIsEnded], "within the grace: {id}");
    }
    let late = event(LATE, Operation::Logout, "two", "", "ok");
    assert_eq!(after(late, shown(LATE + 3, "newer")), [], "the id led to nothing any more");
}

#[test]
fn a_renewed_session_keeps_its_user() {
    let set = event(20, Operation::Set(7), "new", "", "ok");
    let read = |claim| event(30, Operation::Get, claim, "", r#"{"a":7,"address":"::1"}"#);
    let history = |claim| broken_by_three(&[renewed(10, "one", "new"), set.clone(), read(claim)]);
    assert_eq!(history("hers"), [Rule::NobodyElse]);
    assert_eq!(history("two"), []);
}

#[test]
fn a_renewed_session_is_not_logged_out() {
    let after = |read| broken_by_three(&[renewed(10, "one", "new"), read]);
    assert_eq!(after(empty(LATE, "new")), [Rule::NobodyLoggedOut]);
    assert_eq!(after(empty(20, "one")), [Rule::NobodyLoggedOut], "within the grace");
    assert_eq!(after(empty(LATE, "one")), [], "after it");
    let logout = event(30, Operation::Logout, "one", "", "ok");
    let history = [renewed(10, "one", "new"), logout, empty(33, "new")];
    assert_eq!(broken_by_three(&history), []);
}

#[test]
fn a_list_has_renewed_sessions() {
    let short = |start| list(start, "one", &[("f1", true)]);
    let with = |fingerprint| list(30, "one", &[("f1", true), (fingerprint, false)]);
    let after = |read| broken_by_three(&[renewed(10, "two", "new"), read]);
    assert_eq!(after(short(30)), [Rule::ListIsComplete]);
    assert_eq!(after(with("f4")), [], "its new fingerprint may be this one");
    assert_eq!(after(short(11)), [Rule::ListIsComplete], "also while it is renewed");
    let other = login(15, "bob", "three");
    let its = list(20, "three", &[("f1", false), ("f4", true), ("f5", false)]);
    let history = [renewed(10, "two", "new"), other, its, with("f4")];
    assert_eq!(broken_by_three(&history), [Rule::ListIsComplete], "f4 is another");
}

#[test]
fn a_write_that_is_told_an_id_has_renewed_its_session_or_begun_one() {
    let after = |read: &Event| {
        let all = end(30, Operation::EndAll, "one");
        broken_by_three(&[told_to_write(10, "two", "new"), read.clone(), all, shown(33, "new")])
    };
    let of_user = list(20, "new", &[("f1", false), ("f2", true)]);
    assert_eq!(after(&of_user), [Rule::EndedIsEnded], "it was the user's");
    let nothing = empty(20, "none");
    assert_eq!(after(&nothing), [Rule::EndedIsEnded], "as the last read shows");
    let unknown = end(30, Operation::EndAll, "one");
    let history = [told_to_write(10, "two", "new"), unknown, empty(33, "new")];
    assert_eq!(broken_by_three(&history), []);
    let of_nobody = event(20, Operation::Get, "new", "", r#"{"a":7}"#);
    let begun = [told_to_write(10, "two", "new"), of_nobody.clone()];
    assert_eq!(broken_by_three(&begun), [Rule::NobodyLoggedOut], "it has replaced a living one");
    let ended = end(5, Operation::EndOthers, "one");
    let begun = [ended, told_to_write(10, "two", "new"), of_nobody];
    assert_eq!(broken_by_three(&begun), []);
}

#[test]
fn without_renewals_a_write_is_told_only_the_id_of_a_new_session() {
    let history = [login(0, "bob", "one"), told_to_write(10, "one", "new")];
    let violations = check(&history, Conditions::default());
    let rules: Vec<Rule> = violations.into_iter().map(|(rule, _)| rule).collect();
    assert_eq!(rules, [Rule::NobodyLoggedOut]);
    assert_eq!(broken(&history), [], "with renewals it may be the next id");
}
