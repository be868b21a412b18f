//! Tests of the check with small histories: for each rule one that breaks it, and one that only
//! just obeys it.

use std::time::Duration;

use super::history::{
    check::check,
    record::{Answer, Cookie, Event, History, Items, Moment, Operation},
    rule::{Expiry, Rule},
};

/// Returns the rules that a history breaks, each once.
pub(super) fn broken(events: &[Event]) -> Vec<Rule> {
    broken_with(events, &[], Expiry::DEFAULT)
}

pub(super) fn broken_with(events: &[Event], losses: &[Moment], expiry: Expiry) -> Vec<Rule> {
    let history = History { events: events.to_vec(), losses: losses.to_vec() };
    let mut rules: Vec<Rule> =
        check(&history, expiry).into_iter().map(|violation| violation.rule).collect();
    rules.dedup();
    rules
}

fn items(items: &[(&str, &str)]) -> Items {
    items.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub(super) fn event(
    from: Moment,
    to: Moment,
    claim: &str,
    operation: Operation,
    answer: Answer,
) -> Event {
    let claim = (!claim.is_empty()).then(|| claim.into());
    Event {
        node: 0,
        claim,
        operation,
        wait: Duration::ZERO,
        sent: from,
        answered: to,
        answer,
        cookie: Cookie::Unchanged,
        cookie_age: None,
    }
}

pub(super) fn set(from: Moment, to: Moment, claim: &str, set: &[(&str, &str)]) -> Event {
    event(from, to, claim, Operation::Set(items(set)), Answer::Done)
}

/// Creates the session `s` with an item that is never removed.
pub(super) fn born() -> Event {
    set(0, 1, "", &[("anchor", "0")]).issuing("s")
}

pub(super) fn got(from: Moment, to: Moment, claim: &str, got: &[(&str, &str)]) -> Event {
    event(from, to, claim, Operation::Get, Answer::Items(items(got)))
}

pub(super) fn got_one(from: Moment, to: Moment, key: &str, item: Option<&str>) -> Event {
    let operation = Operation::GetItem(key.to_owned());
    event(from, to, "s", operation, Answer::Item(item.map(str::to_owned)))
}

pub(super) fn removed(from: Moment, to: Moment, key: &str) -> Event {
    event(from, to, "s", Operation::Remove(key.to_owned()), Answer::Done)
}

pub(super) fn logout(from: Moment, to: Moment, claim: &str) -> Event {
    Event { cookie: Cookie::Expired, ..event(from, to, claim, Operation::Logout, Answer::Done) }
}

pub(super) fn moved(from: Moment, to: Moment, claim: &str, value: &str, id: &str) -> Event {
    let operation = Operation::Login(items(&[("user", value)]));
    event(from, to, claim, operation, Answer::Renewed).issuing(id)
}

impl Event {
    pub(super) fn issuing(mut self, id: &str) -> Self {
        self.cookie = Cookie::Issued(id.into());
        self
    }

    fn answered(mut self, answer: Answer) -> Self {
        self.answer = answer;
        self.cookie = Cookie::Unchanged;
        self
    }

    fn uncertain(self) -> Self {
        self.answered(Answer::Unavailable)
    }

    pub(super) fn refused(self) -> Self {
        self.answered(Answer::Refused)
    }
}

pub(super) const A0: (&str, &str) = ("anchor", "0");
pub(super) const NONE: [Rule; 0] = [];

#[test]
fn a_correct_history_breaks_no_rule() {
    let story = [
        born(),
        set(2, 3, "s", &[("a", "1"), ("b", "2")]),
        got(4, 5, "s", &[A0, ("a", "1"), ("b", "2")]),
        removed(6, 7, "a"),
        got_one(8, 9, "a", None),
        set(8, 12, "s", &[("a", "3")]),
        got(10, 11, "s", &[A0, ("b", "2")]),
        got(10, 11, "s", &[A0, ("a", "3"), ("b", "2")]),
        moved(13, 14, "s", "u", "t"),
        got(15, 16, "s", &[]),
        got(15, 16, "t", &[A0, ("a", "3"), ("b", "2"), ("user", "u")]),
        logout(17, 18, "t"),
        got(19, 20, "t", &[]),
        set(19, 20, "t", &[A1]).issuing("v"),
        got(21, 22, "v", &[A1]),
    ];
    assert_eq!(broken(&story), NONE);
}

const A1: (&str, &str) = ("anchor", "9");

#[test]
fn a_malformed_answer_is_detected() {
    let story = [born(), got(2, 3, "s", &[]).answered(Answer::Unexpected("500".to_owned()))];
    assert_eq!(broken(&story), [Rule::ProperAnswer]);
}

#[test]
fn a_value_that_was_never_written_is_detected() {
    assert_eq!(broken(&[born(), got(2, 3, "s", &[A0, ("a", "1")])]), [Rule::OnlyWrittenValues]);
    assert_eq!(broken(&[born(), got_one(2, 3, "a", Some("1"))]), [Rule::OnlyWrittenValues]);
}

#[test]
fn a_value_read_before_it_was_written_is_detected() {
    let story = [born(), got_one(2, 3, "a", Some("1")), set(4, 5, "s", &[("a", "1")])];
    assert_eq!(broken(&story), [Rule::OnlyWrittenValues]);
    let overlapping = [born(), got_one(2, 4, "a", Some("1")), set(3, 5, "s", &[("a", "1")])];
    assert_eq!(broken(&overlapping), NONE);
}

#[test]
fn a_value_of_another_session_or_key_is_detected() {
    let other = set(0, 1, "", &[("anchor", "7")]).issuing("other");
    let story = [born(), other, got(2, 3, "s", &[("anchor", "7")])];
    assert_eq!(broken(&story), [Rule::OnlyOwnValues]);
    let story = [born(), got(2, 3, "s", &[A0, ("b", "0")])];
    assert_eq!(broken(&story), [Rule::OnlyOwnValues]);
}

#[test]
fn a_refused_write_that_takes_effect_is_detected() {
    // A 409 needs a reason, here an uncertain logout.
    let reason = logout(2, 3, "s").uncertain();
    let refused = set(2, 4, "s", &[("a", "1")]).refused();
    let story = [born(), reason.clone(), refused.clone(), got_one(5, 6, "a", Some("1"))];
    assert_eq!(broken(&story), [Rule::RefusedIsRefused]);
    assert_eq!(broken(&[born(), reason, refused, got(5, 6, "s", &[A0])]), NONE);
}

#[test]
fn a_value_read_after_it_was_replaced_is_detected() {
    let [one, two] = [set(2, 3, "s", &[("a", "1")]), set(4, 5, "s", &[("a", "2")])];
    let story = [born(), one.clone(), two.clone(), got_one(6, 7, "a", Some("1"))];
    assert_eq!(broken(&story), [Rule::NothingOverwritten]);
    let story = [born(), one.clone(), removed(4, 5, "a"), got_one(6, 7, "a", Some("1"))];
    assert_eq!(broken(&story), [Rule::NothingOverwritten]);
    // A write that overlaps or is uncertain may not have replaced the value.
    let story = [born(), one.clone(), two.clone(), got_one(5, 7, "a", Some("1"))];
    assert_eq!(broken(&story), NONE);
    let story = [born(), one, two.uncertain(), got_one(6, 7, "a", Some("1"))];
    assert_eq!(broken(&story), NONE);
}

#[test]
fn a_value_read_after_its_replacement_was_read_is_detected() {
    let [one, two] = [set(2, 3, "s", &[("a", "1")]), set(4, 5, "s", &[("a", "2")]).uncertain()];
    let seen = got_one(6, 7, "a", Some("2"));
    let story = [born(), one.clone(), two.clone(), seen.clone(), got_one(8, 9, "a", Some("1"))];
    assert_eq!(broken(&story), [Rule::NothingOverwritten]);
    // An uncertain write may take effect much later.
    let story = [born(), one, two, got_one(6, 7, "a", Some("1")), got_one(8, 9, "a", Some("2"))];
    assert_eq!(broken(&story), NONE);
}

#[test]
fn a_value_older_than_another_shown_by_the_same_read_is_detected() {
    let story = [
        born(),
        set(2, 3, "s", &[("a", "1")]),
        set(4, 5, "s", &[("a", "2")]),
        set(6, 9, "s", &[("b", "3")]),
        got(2, 9, "s", &[A0, ("a", "1"), ("b", "3")]),
    ];
    assert_eq!(broken(&story), [Rule::NothingOverwritten]);
}

#[test]
fn a_missing_acknowledged_write_is_detected() {
    let one = set(2, 3, "s", &[("a", "1")]);
    let story = [born(), one.clone(), got(4, 5, "s", &[A0])];
    assert_eq!(broken(&story), [Rule::NothingLost]);
    let story = [born(), one.clone(), got_one(4, 5, "a", None)];
    assert_eq!(broken(&story), [Rule::NothingLost]);
    // Neither a write to another key nor an earlier removal is a reason.
    let story = [born(), removed(2, 3, "a"), set(4, 5, "s", &[("a", "1")]), got(6, 7, "s", &[A0])];
    assert_eq!(broken(&story), [Rule::NothingLost]);
    let story = [born(), one.clone(), set(4, 5, "s", &[("b", "2")]), got_one(6, 7, "a", None)];
    assert_eq!(broken(&story), [Rule::NothingLost]);
    // Reasons: the write may not have happened, or the item may have been removed.
    assert_eq!(broken(&[born(), one.clone().uncertain(), got(4, 5, "s", &[A0])]), NONE);
    let story = [born(), one.clone(), removed(4, 9, "a").uncertain(), got_one(20, 21, "a", None)];
    assert_eq!(broken(&story), NONE);
    let story = [born(), one, removed(4, 7, "a"), got_one(6, 8, "a", None)];
    assert_eq!(broken(&story), NONE);
    // A removal with an id that a login has renewed removes nothing.
    let story = [
        set(0, 1, "", &[A0, ("a", "1")]).issuing("s"),
        moved(2, 4, "s", "u", "t"),
        removed(3, 5, "a"),
        got(6, 7, "t", &[A0, ("a", "1"), ("user", "u")]),
    ];
    assert_eq!(broken(&story), NONE);
}

#[test]
fn an_uncertain_write_must_remain_once_it_was_read() {
    let one = set(2, 3, "s", &[("a", "1")]).uncertain();
    let story = [born(), one, got_one(4, 5, "a", Some("1")), got_one(6, 7, "a", None)];
    assert_eq!(broken(&story), [Rule::NothingLost]);
}

#[test]
fn a_value_that_disappears_and_reappears_is_detected() {
    let story = [
        born(),
        set(2, 3, "s", &[("a", "1")]),
        removed(4, 5, "a").uncertain(),
        got_one(6, 7, "a", None),
        got_one(8, 9, "a", Some("1")),
    ];
    assert_eq!(broken(&story), [Rule::NothingLost]);
}

#[test]
fn a_partial_write_is_detected() {
    let before = set(2, 3, "s", &[("a", "1"), ("b", "2")]);
    let write = set(4, 9, "s", &[("a", "3"), ("b", "4")]);
    let story =
        [born(), before.clone(), write.clone(), got(5, 6, "s", &[A0, ("a", "3"), ("b", "2")])];
    assert_eq!(broken(&story), [Rule::NothingHalf]);
    let story = [born(), write.clone(), got(5, 6, "s", &[A0, ("a", "3")])];
    assert_eq!(broken(&story), [Rule::NothingHalf]);
    // Not at all, or with one item removed since.
    let story = [born(), before, write.clone(), got(5, 6, "s", &[A0, ("a", "1"), ("b", "2")])];
    assert_eq!(broken(&story), NONE);
    let story = [born(), write, removed(5, 8, "b"), got(5, 6, "s", &[A0, ("a", "3")])];
    assert_eq!(broken(&story), NONE);
}

#[test]
fn a_session_that_vanishes_without_a_reason_is_detected() {
    assert_eq!(broken(&[born(), got(2, 3, "s", &[])]), [Rule::OnlyEndedSessionsEnd]);
    let replaced = set(2, 3, "s", &[("a", "1")]).issuing("t");
    assert_eq!(broken(&[born(), replaced]), [Rule::OnlyEndedSessionsEnd]);
    let refused = set(2, 3, "s", &[("a", "1")]).refused();
    assert_eq!(broken(&[born(), refused]), [Rule::OnlyEndedSessionsEnd]);
    // A later logout is no reason. An uncertain one is, and so is a store that lost its data.
    assert_eq!(
        broken(&[born(), got(2, 3, "s", &[]), logout(4, 5, "s").uncertain()]),
        [Rule::OnlyEndedSessionsEnd]
    );
    assert_eq!(broken(&[born(), logout(2, 3, "s").uncertain(), got(9, 10, "s", &[])]), NONE);
    assert_eq!(broken_with(&[born(), got(2, 4, "s", &[])], &[3], Expiry::DEFAULT), NONE);
}

#[test]
fn removing_the_last_item_empties_a_session_and_does_not_end_it() {
    let last = removed(2, 3, "anchor");
    let write = set(6, 7, "s", &[("a", "1")]);
    let empty = got(4, 5, "s", &[]);
    let all = got(8, 9, "s", &[("a", "1")]);
    assert_eq!(broken(&[born(), last.clone(), empty.clone(), write.clone(), all]), NONE);
    let uncertain = last.clone().uncertain();
    assert_eq!(broken(&[born(), uncertain, empty]), NONE);
    let ended = Event { cookie: Cookie::Expired, ..last.clone() };
    assert_eq!(broken(&[born(), ended]), [Rule::OnlyEndedSessionsEnd, Rule::CookieIsNewest]);
    let replaced = set(4, 5, "s", &[("a", "1")]).issuing("t");
    assert_eq!(broken(&[born(), last.clone(), replaced]), [Rule::OnlyEndedSessionsEnd]);
    let lost = [born(), last, write, got(8, 9, "s", &[])];
    assert_eq!(broken(&lost), [Rule::NothingLost]);
    let other = removed(2, 3, "a").uncertain();
    assert_eq!(broken(&[born(), other, got(4, 5, "s", &[])]), [Rule::OnlyEndedSessionsEnd]);
}

#[test]
fn activity_after_an_acknowledged_logout_is_detected() {
    let end = logout(2, 3, "s");
    assert_eq!(broken(&[born(), end.clone(), got(4, 5, "s", &[A0])]), [Rule::LogoutIsFinal]);
    let write = set(4, 5, "s", &[("a", "1")]);
    assert_eq!(broken(&[born(), end.clone(), write]), [Rule::LogoutIsFinal]);
    // A read that overlaps with the logout may happen before it.
    assert_eq!(broken(&[born(), end, got(3, 5, "s", &[A0])]), NONE);
}

#[test]
fn a_session_that_reappears_is_detected() {
    let story = [born(), logout(2, 9, "s").uncertain(), got(3, 4, "s", &[]), got(5, 6, "s", &[A0])];
    assert_eq!(broken(&story), [Rule::LogoutIsFinal]);
}

#[test]
fn an_old_id_that_is_valid_after_a_login_is_detected() {
    let login = moved(2, 3, "s", "u", "t");
    let old = got(4, 5, "s", &[A0, ("user", "u")]);
    assert_eq!(broken(&[born(), login.clone(), old]), [Rule::LogoutIsFinal]);
    let gone = [born(), login.clone(), got(4, 5, "t", &[])];
    assert_eq!(broken(&gone), [Rule::OnlyEndedSessionsEnd]);
    // A write with the old id during the login belongs to the renewed session.
    let write = set(2, 4, "s", &[("a", "1")]);
    let all = [A0, ("a", "1"), ("user", "u")];
    assert_eq!(broken(&[born(), login.clone(), write.clone(), got(5, 6, "t", &all)]), NONE);
    let story = [born(), login, write, got(5, 6, "t", &[A0, ("user", "u")])];
    assert_eq!(broken(&story), [Rule::NothingLost]);
}

#[test]
fn a_logout_with_the_new_id_is_final_and_an_uncertain_login_may_end_the_session() {
    let all = [A0, ("user", "u")];
    let story = [born(), moved(2, 3, "s", "u", "t"), logout(4, 5, "t"), got(6, 7, "t", &all)];
    assert_eq!(broken(&story), [Rule::LogoutIsFinal]);
    // An uncertain login may have renewed the id to one that the client does not know.
    let lost = moved(2, 3, "s", "u", "t").uncertain();
    assert_eq!(broken(&[born(), lost, got(4, 5, "s", &[])]), NONE);
}

#[test]
fn an_invented_id_or_one_issued_twice_is_detected() {
    assert_eq!(broken(&[set(2, 3, "evil", &[("a", "1")])]), [Rule::OnlyIssuedIds]);
    let twice = set(2, 3, "", &[("a", "1")]).issuing("s");
    assert_eq!(broken(&[born(), twice]), [Rule::OnlyIssuedIds]);
    assert_eq!(broken(&[set(2, 3, "evil", &[("a", "1")]).issuing("s")]), NONE);
}
