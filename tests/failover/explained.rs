//! Histories made by hand: what a lost write explains, next to what it does not.

use super::rollback::{Deaf, lost};
use crate::history::record::{Answer, Cookie, Event, History, Items, Moment, Operation};

const DEAF: Deaf = Deaf { from: 100, died: 150, to: 160, has_peers: true };

fn event(from: Moment, claim: &str, operation: Operation, answer: Answer) -> Event {
    let claim = (!claim.is_empty()).then(|| claim.into());
    let cookie = Cookie::Kept;
    Event { node: 0, claim, operation, sent: from, answered: from + 1, answer, cookie }
}

fn items(items: &[(&str, &str)]) -> Items {
    items.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

fn set(from: Moment, claim: &str, value: &str) -> Event {
    event(from, claim, Operation::Set(items(&[("a", value)])), Answer::Done)
}

fn got(from: Moment, claim: &str, value: &str) -> Event {
    event(from, claim, Operation::Get, Answer::Items(items(&[("a", value)])))
}

fn gone(from: Moment, claim: &str) -> Event {
    event(from, claim, Operation::Get, Answer::Items(Items::new()))
}

fn logout(from: Moment) -> Event {
    let logout = event(from, "s", Operation::Logout, Answer::Done);
    Event { cookie: Cookie::Expired, ..logout }
}

fn login(from: Moment) -> Event {
    let login = event(from, "s", Operation::Login(items(&[("user", "u")])), Answer::Moved);
    Event { cookie: Cookie::Issued("t".into()), ..login }
}

fn born() -> Event {
    Event { cookie: Cookie::Issued("s".into()), ..set(10, "", "1") }
}

#[track_caller]
fn explained(events: &[Event], expected: Option<usize>) {
    let mut history = History { events: events.to_vec(), losses: Vec::new() };
    history.events.insert(0, born());
    assert_eq!(lost(&history, &[DEAF]).ok(), expected);
}

#[test]
fn only_writes_that_no_replica_has_heard_of_may_be_lost() {
    explained(&[set(120, "s", "2"), got(200, "s", "2")], Some(0));
    explained(&[set(120, "s", "2"), got(200, "s", "1")], Some(1));
    explained(&[set(90, "s", "2"), got(200, "s", "1")], None);
    explained(&[set(170, "s", "2"), got(200, "s", "1")], None);
    explained(&[set(120, "s", "2"), got(130, "s", "2"), got(200, "s", "1")], Some(1));
}

#[test]
fn before_the_death_and_after_it_nothing_is_excused() {
    explained(&[set(120, "s", "2"), got(130, "s", "1"), got(200, "s", "1")], None);
    explained(&[set(120, "s", "2"), got(200, "s", "1"), got(210, "s", "2")], None);
    explained(&[set(120, "s", "2"), got(200, "s", "3")], None);
}

#[test]
fn what_was_read_before_it_was_confirmed_may_be_undone() {
    let unsure = Event { answer: Answer::Unsure, ..set(110, "s", "2") };
    explained(&[unsure.clone(), got(120, "s", "2"), got(200, "s", "1")], Some(0));
    explained(&[unsure, got(200, "s", "2"), got(210, "s", "1")], None);
}

#[test]
fn what_is_lost_is_the_end_of_what_was_done() {
    let writes = [set(110, "s", "2"), set(120, "s", "3"), set(130, "s", "4")];
    let [two, three, four] = &writes;
    let all = |value| vec![two.clone(), three.clone(), four.clone(), got(200, "s", value)];
    for (value, count) in [("4", 0), ("3", 1), ("2", 2), ("1", 3)] {
        explained(&all(value), Some(count));
    }
}

#[test]
fn of_writes_under_way_at_once_either_may_be_the_last() {
    let slow = Event { answered: 130, ..set(110, "s", "2") };
    let fast = set(112, "s", "3");
    let all = |value| vec![slow.clone(), fast.clone(), got(200, "s", value)];
    for (value, count) in [("2", 0), ("3", 0), ("1", 2)] {
        explained(&all(value), Some(count));
    }
    // Each of them with a key of its own, so that what is lost shows.
    let other = |value| event(112, "s", Operation::Set(items(&[("b", value)])), Answer::Done);
    let shown = |shown| event(200, "s", Operation::Get, Answer::Items(items(shown)));
    explained(&[slow.clone(), other("3"), shown(&[("a", "2")])], Some(1));
    explained(&[slow, other("3"), shown(&[("a", "1"), ("b", "3")])], Some(1));
    let later = event(140, "s", Operation::Set(items(&[("b", "3")])), Answer::Done);
    explained(&[set(110, "s", "2"), later, shown(&[("a", "1"), ("b", "3")])], None);
}

#[test]
fn a_session_born_in_that_time_may_be_lost_as_a_whole() {
    let born = Event { cookie: Cookie::Issued("n".into()), ..set(120, "", "2") };
    explained(&[born.clone(), gone(200, "n")], Some(1));
    explained(&[born, gone(200, "n"), got(210, "n", "2")], None);
    explained(&[gone(200, "s")], None);
}

#[test]
fn a_logout_may_be_undone_but_not_an_old_one() {
    explained(&[logout(120), gone(130, "s"), got(200, "s", "1")], Some(1));
    explained(&[logout(90), got(200, "s", "1")], None);
    explained(&[logout(120), gone(200, "s"), got(210, "s", "1")], None);
}

#[test]
fn a_login_undone_where_the_old_id_was_leaves_two_sessions() {
    let moved = |value| {
        let shown = items(&[("a", value), ("user", "u")]);
        event(200, "t", Operation::Get, Answer::Items(shown))
    };
    explained(&[set(110, "s", "2"), login(120), gone(130, "s"), moved("2")], Some(0));
    let fork = [set(110, "s", "2"), login(120), gone(130, "s"), moved("2"), got(200, "s", "2")];
    explained(&fork, Some(1));
    let older = [set(110, "s", "2"), login(120), gone(130, "s"), moved("2"), got(200, "s", "1")];
    explained(&older, Some(2));
    let early = [set(80, "s", "2"), login(90), got(200, "s", "2")];
    explained(&early, None);
    let alone = History { events: [&[born()], &fork[..]].concat(), losses: Vec::new() };
    assert!(lost(&alone, &[Deaf { has_peers: false, ..DEAF }]).is_err());
}
