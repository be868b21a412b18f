//! Tests of the check of ids that are renewed by themselves, with small histories.

use std::time::Duration;

use super::{
    check_tests::{A0, NONE, born, broken_with, event, got, logout, moved, set},
    history::{
        record::{Answer, Cookie, Event, Moment, Operation},
        rule::{Expiry, Renewal, Rule},
    },
};

/// In microseconds: an id is due when it is a second old, and its grace is half a second.
const DUE: Moment = 1_000_000;
const GRACE: Moment = 500_000;
/// More than the precision of the check.
const MARGIN: Moment = 30_000;
/// Two moments after the renewal of `s`: within its grace, and after that.
const SOON: Moment = DUE + 10;
const LATER: Moment = DUE + GRACE + MARGIN;

const EXPIRY: Expiry = Expiry {
    renewal: Some(Renewal {
        after: Duration::from_micros(DUE),
        grace: Duration::from_micros(GRACE),
    }),
    ..Expiry::DEFAULT
};

fn broken(events: &[Event]) -> Vec<Rule> {
    broken_with(events, &[], EXPIRY)
}

fn with(story: &[Event], more: &[Event]) -> Vec<Rule> {
    broken(&[story, more].concat())
}

fn read(at: Moment, claim: &str) -> Event {
    got(at, at + 2, claim, &[A0])
}

fn absent(at: Moment, claim: &str) -> Event {
    got(at, at + 2, claim, &[])
}

fn write(at: Moment, claim: &str, value: &str) -> Event {
    set(at, at + 2, claim, &[("a", value)])
}

fn counted(at: Moment, claim: &str, number: u64) -> Event {
    event(at, at + 2, claim, Operation::Count, Answer::Counted(number))
}

/// A session that a read has renewed from `s` to `n`.
fn renewed() -> [Event; 2] {
    [born(), read(DUE, "s").issuing("n")]
}

#[test]
fn a_renewed_id_leads_to_its_session_for_the_grace_and_the_new_one_from_then_on() {
    let story = [
        write(SOON, "s", "1").issuing("n"),
        counted(SOON + 10, "n", 1),
        counted(SOON + 20, "s", 2).issuing("n"),
        got(SOON + 30, SOON + 31, "n", &[A0, ("a", "1"), ("count", "2")]),
        absent(LATER, "s"),
        got(LATER, LATER + 1, "n", &[A0, ("a", "1"), ("count", "2")]),
        got(2 * DUE + 9, 2 * DUE + 10, "n", &[A0, ("a", "1"), ("count", "2")]).issuing("m"),
        got(2 * DUE + 11, 2 * DUE + 12, "m", &[A0, ("a", "1"), ("count", "2")]),
    ];
    assert_eq!(with(&renewed(), &story), NONE);
    // Where ids are not renewed by themselves, no read is told another one.
    assert!(!broken_with(&renewed(), &[], Expiry::DEFAULT).is_empty());
}

#[test]
fn two_new_ids_are_detected() {
    let other = read(SOON, "s").issuing("o");
    assert_eq!(with(&renewed(), &[other]), [Rule::OneNewId]);
    let same = read(SOON, "s").issuing("n");
    assert_eq!(with(&renewed(), &[same]), NONE);
}

#[test]
fn a_new_id_that_is_told_before_the_old_one_is_due_is_detected() {
    let early = |at| broken(&[born(), read(at, "s").issuing("n")]);
    assert_eq!(early(DUE / 2), [Rule::OneNewId]);
    assert_eq!(early(DUE), NONE);
    let again = [read(DUE + DUE / 2, "n").issuing("m")];
    assert_eq!(with(&renewed(), &again), [Rule::OneNewId]);
    // A write may have begun a session, but there was no reason to.
    let write = write(DUE / 2, "s", "1").issuing("n");
    let found = got(DUE, DUE + 1, "n", &[A0, ("a", "1")]);
    assert_eq!(broken(&[born(), write, found]), [Rule::OneNewId]);
}

#[test]
fn a_new_id_of_another_session_is_detected() {
    let other = set(0, 1, "", &[("anchor", "7")]).issuing("n");
    let story = [born(), other, read(DUE, "s").issuing("n")];
    assert_eq!(broken(&story), [Rule::OnlyIssuedIds]);
    let shown = got(SOON, SOON + 1, "n", &[("anchor", "7")]);
    assert!(with(&renewed(), &[shown]).contains(&Rule::OnlyWrittenValues));
}

#[test]
fn a_renewal_that_loses_the_session_is_detected() {
    assert_eq!(with(&renewed(), &[absent(SOON, "n")]), [Rule::OnlyEndedSessionsEnd]);
    assert_eq!(with(&renewed(), &[absent(SOON, "s")]), [Rule::OnlyEndedSessionsEnd]);
    let refused = write(SOON, "s", "1").refused();
    assert_eq!(with(&renewed(), &[refused]), [Rule::OnlyEndedSessionsEnd]);
    let begun = [write(SOON, "s", "1").issuing("o"), got(SOON + 5, SOON + 6, "o", &[("a", "1")])];
    assert!(!with(&renewed(), &begun).is_empty());
    // Nobody was told a new id while the old one was used, and then it is gone.
    let quiet = [born(), read(DUE, "s"), read(LATER, "s"), absent(LATER + MARGIN, "s")];
    assert_eq!(broken(&quiet), [Rule::OnlyEndedSessionsEnd]);
    // Whoever might have been told it has got no answer, and nobody has asked since.
    let lost = Event { answer: Answer::Unavailable, ..read(DUE, "s") };
    assert_eq!(broken(&[born(), lost, absent(LATER, "s")]), NONE);
}

#[test]
fn a_renewal_that_loses_items_or_increments_is_detected() {
    let before = [born(), write(2, "s", "x"), counted(5, "s", 1)];
    let shown = [A0, ("a", "x"), ("count", "1")];
    let story = |told: &[(&str, &str)], then: &[(&str, &str)]| {
        let told = got(DUE, DUE + 1, "s", told).issuing("n");
        with(&before, &[told, got(SOON, SOON + 1, "n", then)])
    };
    assert_eq!(story(&shown, &shown), NONE);
    assert_eq!(story(&shown, &[A0, ("count", "1")]), [Rule::NothingLost]);
    assert_eq!(story(&shown, &[A0, ("a", "x")]), [Rule::EveryCountCounts]);
    assert_eq!(story(&[A0, ("count", "1")], &shown), [Rule::NothingLost]);
    // Written in the grace, with either id.
    let writes = [write(SOON, "s", "y"), write(SOON + 9, "n", "z"), read(SOON + 20, "n")];
    assert_eq!(with(&renewed(), &writes), [Rule::NothingLost]);
}

#[test]
fn a_renewed_id_that_is_valid_after_its_grace_is_detected() {
    assert_eq!(with(&renewed(), &[read(LATER, "s")]), [Rule::GraceEnds]);
    let told = read(LATER, "s").issuing("n");
    assert_eq!(with(&renewed(), &[told]), [Rule::GraceEnds]);
    assert_eq!(with(&renewed(), &[write(LATER, "s", "1")]), [Rule::GraceEnds]);
    assert_eq!(with(&renewed(), &[read(LATER - 2 * MARGIN, "s")]), NONE);
    // A new session, which the old id does not lead to the old one.
    let begun = [write(LATER, "s", "1").issuing("o"), read(LATER + 9, "n")];
    assert_eq!(with(&renewed(), &begun), NONE);
}

#[test]
fn a_cookie_that_is_rolled_after_a_renewal_by_itself_is_detected() {
    let rolled = |event: Event| Event { cookie: Cookie::Rolled, ..event };
    assert_eq!(with(&renewed(), &[rolled(read(SOON, "s"))]), [Rule::CookieIsNewest]);
    assert_eq!(with(&renewed(), &[rolled(got(DUE - 9, SOON, "s", &[A0]))]), NONE);
}

#[test]
fn a_new_id_that_is_told_after_a_login_is_detected() {
    let login = moved(SOON, SOON + 2, "n", "u", "t");
    let shown = [A0, ("user", "u")];
    let told = |at: Moment| got(at, SOON + 90, "s", &shown).issuing("n");
    assert_eq!(with(&renewed(), &[login.clone(), told(SOON + 1)]), NONE);
    let late = with(&renewed(), &[login.clone(), told(SOON + 9)]);
    assert_eq!(late, [Rule::LogoutIsFinal, Rule::CookieIsNewest]);
    // A login with the old id ends the new one as well.
    let with_old = moved(SOON, SOON + 2, "s", "u", "t");
    let late = |claim| got(SOON + 9, SOON + 10, claim, &shown);
    assert_eq!(with(&renewed(), &[with_old, late("n")]), [Rule::LogoutIsFinal]);
    assert_eq!(with(&renewed(), &[login, late("s")]), [Rule::LogoutIsFinal]);
}

#[test]
fn a_logout_with_the_id_before_a_renewal_is_final() {
    for claim in ["s", "n"] {
        let out = logout(SOON, SOON + 2, claim);
        assert_eq!(with(&renewed(), &[out.clone(), absent(SOON + 9, "n")]), NONE);
        let read = read(SOON + 9, "n");
        assert_eq!(with(&renewed(), &[out, read]), [Rule::LogoutIsFinal]);
    }
    // After the grace it ends nothing.
    let out = Event { cookie: Cookie::Unchanged, ..logout(LATER, LATER + 2, "s") };
    assert_eq!(with(&renewed(), &[out.clone(), read(LATER + 9, "n")]), NONE);
    let gone = [out, absent(LATER + 9, "n")];
    assert_eq!(with(&renewed(), &gone), [Rule::OnlyEndedSessionsEnd]);
}

#[test]
fn a_write_that_is_told_an_id_may_have_begun_a_session_if_there_was_a_reason() {
    let out = logout(DUE, DUE + 9, "s");
    let write = write(DUE + 1, "s", "1").issuing("n");
    let shown = |items: &[(&str, &str)]| {
        broken(&[born(), out.clone(), write.clone(), got(SOON, SOON + 1, "n", items)])
    };
    assert_eq!(shown(&[("a", "1")]), NONE, "the logout was first");
    assert_eq!(shown(&[]), NONE, "the write was first");
    assert_eq!(shown(&[A0, ("a", "1")]), [Rule::LogoutIsFinal], "the logout has ended nothing");
    let alone = [born(), read(5, "s"), write.clone(), got(SOON, SOON + 1, "n", &[("a", "1")])];
    assert_eq!(broken(&alone), [Rule::OnlyEndedSessionsEnd], "no reason");
    let renewed = [born(), write, got(SOON, SOON + 1, "n", &[A0, ("a", "1")])];
    assert_eq!(broken(&renewed), NONE);
}
