//! Tests of the check of increments, and of items that are taken, with small histories.

use super::{
    check_tests::{A0, NONE, born, broken, event, got, got_one, moved, removed, set},
    history::{
        record::{Answer, Event, Moment, Operation},
        rule::Rule,
    },
};

fn counted(from: Moment, to: Moment, claim: &str, number: u64) -> Event {
    event(from, to, claim, Operation::Count, Answer::Counted(number))
}

fn uncertain(from: Moment, to: Moment) -> Event {
    Event { answer: Answer::Unavailable, ..counted(from, to, "s", 0) }
}

fn took(from: Moment, to: Moment, value: Option<&str>) -> Event {
    let answer = Answer::Item(value.map(str::to_owned));
    event(from, to, "s", Operation::Take("a".to_owned()), answer)
}

#[test]
fn an_increment_that_is_lost_or_counted_twice_is_detected() {
    let one = counted(2, 3, "s", 1);
    assert_eq!(broken(&[born(), one.clone(), counted(4, 5, "s", 2)]), NONE);
    assert_eq!(broken(&[born(), one.clone(), counted(4, 5, "s", 1)]), [Rule::EveryCountCounts]);
    assert_eq!(broken(&[born(), one.clone(), counted(4, 5, "s", 3)]), [Rule::EveryCountCounts]);
    // Side by side, in either order, but not with the same number.
    assert_eq!(broken(&[born(), counted(2, 5, "s", 2), counted(3, 4, "s", 1)]), NONE);
    let same = [born(), counted(2, 5, "s", 1), counted(3, 4, "s", 1)];
    assert_eq!(broken(&same), [Rule::EveryCountCounts]);
    // One whose answer was lost may count, at any later time or never.
    for number in [2, 3] {
        let story = [born(), one.clone(), uncertain(4, 5), counted(6, 7, "s", number)];
        assert_eq!(broken(&story), NONE);
    }
    let twice = [born(), one.clone(), uncertain(4, 5), counted(6, 7, "s", 4)];
    assert_eq!(broken(&twice), [Rule::EveryCountCounts]);
    let refused = counted(4, 5, "s", 0).refused();
    let reason = moved(2, 9, "s", "u", "t");
    let story = [born(), reason, one, refused, counted(10, 11, "t", 3)];
    assert_eq!(broken(&story), [Rule::EveryCountCounts], "a refused one counts");
}

#[test]
fn a_total_that_is_not_the_number_of_increments_is_detected() {
    let counts = [born(), counted(2, 3, "s", 1), counted(4, 5, "s", 2)];
    let with = |total: &Event| broken(&[&counts[..], std::slice::from_ref(total)].concat());
    let total = |shown: &str| got(6, 7, "s", &[A0, ("count", shown)]);
    assert_eq!(with(&total("2")), NONE);
    assert_eq!(with(&total("1")), [Rule::EveryCountCounts]);
    assert_eq!(with(&total("3")), [Rule::EveryCountCounts]);
    assert_eq!(with(&total("junk")), [Rule::EveryCountCounts]);
    assert_eq!(with(&got(6, 7, "s", &[A0])), [Rule::EveryCountCounts], "it is gone");
}

#[test]
fn a_renewed_session_goes_on_counting() {
    let story = |number| {
        let renewed = moved(4, 5, "s", "u", "t");
        broken(&[born(), counted(2, 3, "s", 1), renewed, counted(6, 7, "t", number)])
    };
    assert_eq!(story(2), NONE);
    assert_eq!(story(1), [Rule::EveryCountCounts]);
}

#[test]
fn an_increment_that_begins_a_session_is_one_of_that_session() {
    let first = counted(0, 1, "", 1).issuing("s");
    assert_eq!(broken(&[first.clone(), counted(2, 3, "s", 2)]), NONE);
    assert_eq!(broken(&[first, counted(2, 3, "s", 1)]), [Rule::EveryCountCounts]);
}

#[test]
fn an_item_that_is_given_to_two_requests_is_detected() {
    let one = set(2, 3, "s", &[("a", "1")]);
    assert_eq!(broken(&[born(), one.clone(), took(4, 6, Some("1")), took(5, 7, None)]), NONE);
    let twice = [born(), one, took(4, 6, Some("1")), took(5, 7, Some("1"))];
    assert_eq!(broken(&twice), [Rule::TakenOnce]);
}

#[test]
fn an_item_that_is_there_after_it_was_taken_or_gone_without_is_detected() {
    let one = set(2, 3, "s", &[("a", "1")]);
    let taken = took(4, 5, Some("1"));
    let again = got_one(6, 7, "a", Some("1"));
    assert_eq!(broken(&[born(), one.clone(), taken.clone(), again]), [Rule::NothingOverwritten]);
    assert_eq!(broken(&[born(), one.clone(), taken, got_one(6, 7, "a", None)]), NONE);
    assert_eq!(broken(&[born(), one.clone(), took(4, 5, None)]), [Rule::NothingLost]);
    assert_eq!(broken(&[born(), one.clone(), removed(4, 5, "a"), took(6, 7, None)]), NONE);
    // One whose answer was lost may have taken it.
    let lost = Event { answer: Answer::Unavailable, ..took(4, 5, None) };
    assert_eq!(broken(&[born(), one, lost, got_one(6, 7, "a", None)]), NONE);
}
