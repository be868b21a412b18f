//! Small histories that break a rule, or only just obey it.

use std::time::Duration;

use super::{
    check::{Conditions, Rule, check},
    record::{Event, Operation},
};

const GRACE: Duration = Duration::from_millis(100);
const CONDITIONS: Conditions = Conditions { failures: &[], grace: Some(GRACE) };

/// A request that was under way from `start` to `start + 2`.
fn event(start: u64, operation: Operation, claim: &str, told: &str, body: &str) -> Event {
    let id = |id: &str| (!id.is_empty()).then(|| id.to_owned());
    let time = Duration::from_millis;
    let (claim, told, body) = (id(claim), id(told), body.to_owned());
    Event { operation, claim, told, status: 200, body, start: time(start), end: time(start + 2) }
}

fn login(start: u64, user: &str, told: &str) -> Event {
    event(start, Operation::Login(user.to_owned()), "", told, "ok")
}

fn list(start: u64, claim: &str, sessions: &[(&str, bool)]) -> Event {
    let object = |(fingerprint, current): &(&str, bool)| {
        format!(r#"{{"fingerprint":"{fingerprint}","current":{current}}}"#)
    };
    let objects: Vec<String> = sessions.iter().map(object).collect();
    event(start, Operation::List, claim, "", &format!("[{}]", objects.join(",")))
}

fn broken(events: &[Event]) -> Vec<Rule> {
    check(events, CONDITIONS).into_iter().map(|(rule, _)| rule).collect()
}

#[test]
fn what_was_ended_is_not_served() {
    let end = |claim| event(10, Operation::EndAll, claim, "", "");
    let get = |start, claim, told| event(start, Operation::Get, claim, told, r#"{"a":1}"#);
    let logins = [login(0, "bob", "one"), login(0, "bob", "two")];
    let [one, two] = logins;
    let served = |read| broken(&[one.clone(), two.clone(), end("one"), read]);
    assert_eq!(served(get(13, "two", "")), [Rule::EndedIsEnded]);
    assert_eq!(served(get(11, "two", "")), [], "they overlap");
    let late = login(9, "bob", "late");
    assert_eq!(broken(&[one.clone(), late, end("one"), get(13, "late", "")]), [], "either order");
    let renewed = get(5, "two", "new");
    let history = [one, two, renewed, end("one"), get(13, "new", "")];
    assert_eq!(broken(&history), [Rule::EndedIsEnded], "under its new id");
}

#[test]
fn nobody_sees_what_is_another_users() {
    let set = event(5, Operation::Set(7), "one", "", "ok");
    let get = event(10, Operation::Get, "two", "", r#"{"a":7}"#);
    let of =
        |user| broken(&[login(0, "bob", "one"), login(0, user, "two"), set.clone(), get.clone()]);
    assert_eq!(of("alice"), [Rule::NobodyElse]);
    assert_eq!(of("bob"), []);
    let foreign = list(10, "two", &[("f2", true), ("f1", false)]);
    let own = list(5, "one", &[("f1", true)]);
    let history = [login(0, "bob", "one"), login(0, "alice", "two"), own, foreign];
    assert_eq!(broken(&history), [Rule::NobodyElse]);
}

#[test]
fn nobody_is_logged_out_without_an_end() {
    let empty = event(10, Operation::Get, "one", "", "{}");
    assert_eq!(broken(&[login(0, "bob", "one"), empty.clone()]), [Rule::NobodyLoggedOut]);
    let mut end = event(11, Operation::Logout, "one", "", "");
    end.status = 409;
    assert_eq!(broken(&[login(0, "bob", "one"), empty, end]), [], "it may have ended");
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
}
