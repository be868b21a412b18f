//! Tests of the rollback rules with small histories, some of which lost writes explain.

use std::time::Duration;

use super::rollback::{Failovers, Partition, lost};
use crate::history::{
    record::{Answer, Cookie, Event, History, Items, Moment, Operation},
    rule::{Expiry, Renewal},
};

/// Returns the failovers of a run with one.
fn with(partition: Partition) -> Failovers {
    Failovers { partitions: vec![partition], expiry: Expiry::WITH_KILLS }
}

const PARTITION: Partition = Partition { from: 100, died: 150, to: 160, has_peers: true };

fn event(from: Moment, claim: &str, operation: Operation, answer: Answer) -> Event {
    let claim = (!claim.is_empty()).then(|| claim.into());
    Event {
        node: 0,
        claim,
        operation,
        wait: Duration::ZERO,
        sent: from,
        answered: from + 1,
        answer,
        cookie: Cookie::Unchanged,
        cookie_age: None,
    }
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
    let login = event(from, "s", Operation::Login(items(&[("user", "u")])), Answer::Renewed);
    Event { cookie: Cookie::Issued("t".into()), ..login }
}

fn born() -> Event {
    Event { cookie: Cookie::Issued("s".into()), ..set(10, "", "1") }
}

#[track_caller]
fn assert_lost(events: &[Event], expected: Option<usize>) {
    let mut history = History { events: events.to_vec(), losses: Vec::new() };
    history.events.insert(0, born());
    assert_eq!(lost(&history, &with(PARTITION)).ok(), expected);
}

#[test]
fn only_unreplicated_writes_may_be_lost() {
    assert_lost(&[set(120, "s", "2"), got(200, "s", "2")], Some(0));
    assert_lost(&[set(120, "s", "2"), got(200, "s", "1")], Some(1));
    assert_lost(&[set(90, "s", "2"), got(200, "s", "1")], None);
    assert_lost(&[set(170, "s", "2"), got(200, "s", "1")], None);
    assert_lost(&[set(120, "s", "2"), got(130, "s", "2"), got(200, "s", "1")], Some(1));
}

#[test]
fn nothing_is_excused_before_or_after_the_failover() {
    assert_lost(&[set(120, "s", "2"), got(130, "s", "1"), got(200, "s", "1")], None);
    assert_lost(&[set(120, "s", "2"), got(200, "s", "1"), got(210, "s", "2")], None);
    assert_lost(&[set(120, "s", "2"), got(200, "s", "3")], None);
}

#[test]
fn a_write_read_before_its_confirmation_may_be_rolled_back() {
    let uncertain = Event { answer: Answer::Unavailable, ..set(110, "s", "2") };
    assert_lost(&[uncertain.clone(), got(120, "s", "2"), got(200, "s", "1")], Some(0));
    assert_lost(&[uncertain, got(200, "s", "2"), got(210, "s", "1")], None);
}

#[test]
fn a_read_during_the_partition_may_be_answered_later() {
    let unconfirmed = event(120, "s", Operation::Set(items(&[("a", "2")])), Answer::Unavailable);
    for (sent, answered, lost) in [(130, 190, Some(0)), (165, 190, None), (50, 90, None)] {
        let read = Event { answered, ..got(sent, "s", "2") };
        assert_lost(&[unconfirmed.clone(), read, got(200, "s", "1")], lost);
    }
}

#[test]
fn only_the_latest_writes_are_lost() {
    let writes = [set(110, "s", "2"), set(120, "s", "3"), set(130, "s", "4")];
    let [two, three, four] = &writes;
    let all = |value| vec![two.clone(), three.clone(), four.clone(), got(200, "s", value)];
    for (value, count) in [("4", 0), ("3", 1), ("2", 2), ("1", 3)] {
        assert_lost(&all(value), Some(count));
    }
}

#[test]
fn either_of_two_concurrent_writes_may_be_the_last() {
    let slow = Event { answered: 130, ..set(110, "s", "2") };
    let fast = set(112, "s", "3");
    let all = |value| vec![slow.clone(), fast.clone(), got(200, "s", value)];
    for (value, count) in [("2", 0), ("3", 0), ("1", 2)] {
        assert_lost(&all(value), Some(count));
    }
    // With different keys, so that a read shows which write is lost.
    let other = |value| event(112, "s", Operation::Set(items(&[("b", value)])), Answer::Done);
    let shown = |shown| event(200, "s", Operation::Get, Answer::Items(items(shown)));
    assert_lost(&[slow.clone(), other("3"), shown(&[("a", "2")])], Some(1));
    assert_lost(&[slow, other("3"), shown(&[("a", "1"), ("b", "3")])], Some(1));
    let later = event(140, "s", Operation::Set(items(&[("b", "3")])), Answer::Done);
    assert_lost(&[set(110, "s", "2"), later, shown(&[("a", "1"), ("b", "3")])], None);
}

#[test]
fn a_session_created_during_the_partition_may_be_lost_entirely() {
    let born = Event { cookie: Cookie::Issued("n".into()), ..set(120, "", "2") };
    assert_lost(&[born.clone(), gone(200, "n")], Some(1));
    assert_lost(&[born, gone(200, "n"), got(210, "n", "2")], None);
    assert_lost(&[gone(200, "s")], None);
}

#[test]
fn only_a_recent_logout_may_be_rolled_back() {
    assert_lost(&[logout(120), gone(130, "s"), got(200, "s", "1")], Some(1));
    assert_lost(&[logout(90), got(200, "s", "1")], None);
    assert_lost(&[logout(120), gone(200, "s"), got(210, "s", "1")], None);
    // A later login from the session that exists again.
    assert_lost(&[logout(120), got(200, "s", "1"), login(210)], Some(1));
    assert_lost(&[logout(90), got(200, "s", "1"), login(210)], None);
}

#[test]
fn a_login_rolled_back_on_the_master_of_the_old_id_leaves_two_sessions() {
    let moved = |value| {
        let shown = items(&[("a", value), ("user", "u")]);
        event(200, "t", Operation::Get, Answer::Items(shown))
    };
    assert_lost(&[set(110, "s", "2"), login(120), gone(130, "s"), moved("2")], Some(0));
    let fork = [set(110, "s", "2"), login(120), gone(130, "s"), moved("2"), got(200, "s", "2")];
    assert_lost(&fork, Some(1));
    let older = [set(110, "s", "2"), login(120), gone(130, "s"), moved("2"), got(200, "s", "1")];
    assert_lost(&older, Some(2));
    let early = [set(80, "s", "2"), login(90), got(200, "s", "2")];
    assert_lost(&early, None);
    let alone = History { events: [&[born()], &fork[..]].concat(), losses: Vec::new() };
    assert!(lost(&alone, &with(Partition { has_peers: false, ..PARTITION })).is_err());
}

fn counted(from: Moment, number: u64) -> Event {
    event(from, "s", Operation::Count, Answer::Counted(number))
}

fn took(from: Moment, value: Option<&str>) -> Event {
    let answer = Answer::Item(value.map(str::to_owned));
    event(from, "s", Operation::Take("a".to_owned()), answer)
}

#[test]
fn a_lost_increment_is_a_lost_write() {
    assert_lost(&[counted(120, 1), counted(200, 2)], Some(0));
    assert_lost(&[counted(120, 1), counted(200, 1)], Some(1));
    assert_lost(&[counted(90, 1), counted(200, 1)], None);
    assert_lost(&[counted(170, 1), counted(200, 1)], None);
    // What was not acknowledged may be counted or not, but what was acknowledged after it is.
    let uncertain = Event { answer: Answer::Unavailable, ..counted(110, 0) };
    assert_lost(&[uncertain.clone(), counted(120, 2), counted(200, 3)], Some(0));
    assert_lost(&[uncertain.clone(), counted(120, 1), counted(200, 2)], Some(0));
    assert_lost(&[uncertain, counted(120, 1), counted(200, 4)], None);
}

#[test]
fn an_item_that_is_taken_twice_is_a_lost_write() {
    assert_lost(&[took(120, Some("1")), took(200, None)], Some(0));
    assert_lost(&[took(120, Some("1")), took(200, Some("1"))], Some(1));
    assert_lost(&[took(90, Some("1")), took(200, Some("1"))], None);
    assert_lost(&[took(120, Some("1")), got(200, "s", "1")], Some(1));
}

#[track_caller]
fn assert_lost_with_renewals(events: &[Event], expected: Option<usize>) {
    let mut history = History { events: events.to_vec(), losses: Vec::new() };
    history.events.insert(0, born());
    let renewal = Some(Renewal { after: Duration::ZERO, grace: Duration::from_secs(1) });
    let expiry = Expiry { renewal, ..Expiry::WITH_KILLS };
    let failovers = Failovers { partitions: vec![PARTITION], expiry };
    assert_eq!(lost(&history, &failovers).ok(), expected);
}

#[test]
fn a_renewal_by_itself_may_be_rolled_back_if_only_reads_were_told_of_it() {
    let told = |event: Event| Event { cookie: Cookie::Issued("n".into()), ..event };
    let undone = [gone(200, "n"), got(210, "s", "1")];
    let story = |first: Event| [&[first], &undone[..]].concat();
    assert_lost_with_renewals(&story(told(got(120, "s", "1"))), Some(0));
    assert_lost_with_renewals(&story(told(got(90, "s", "1"))), None);
    assert_lost_with_renewals(&story(told(got(170, "s", "1"))), None);
    // An acknowledged write with the new id shows that the renewal was confirmed.
    assert_lost_with_renewals(&story(told(set(120, "s", "2"))), Some(1));
    // The id may stay although a value that was read with it does not.
    let uncertain = Event { answer: Answer::Unavailable, ..set(110, "s", "2") };
    let stays = [uncertain, told(got(120, "s", "2")), got(200, "n", "1"), got(210, "n", "1")];
    assert_lost_with_renewals(&stays, Some(0));
}
