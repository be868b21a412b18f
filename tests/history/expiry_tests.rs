//! Tests of the check of expiry with small histories.

use std::time::Duration;

use super::{
    check_tests::{A0, NONE, born, broken, broken_with, got, got_one, set},
    history::{
        record::{Cookie, Event, Moment},
        rule::{Expiry, Rule},
    },
};

const SECOND: Moment = 1_000_000;

fn read(second: Moment, shown: &[(&str, &str)]) -> Event {
    got(second * SECOND, second * SECOND + 1, "s", shown)
}

#[test]
fn a_session_that_expires_too_early_or_too_late_is_detected() {
    let expiry = Expiry { ttl: Duration::from_secs(10), ..Expiry::DEFAULT };
    let used = read(5, &[A0]);
    let at = |seconds, shown: &[(&str, &str)]| {
        broken_with(&[born(), used.clone(), read(seconds, shown)], &[], expiry)
    };
    assert_eq!(at(13, &[]), [Rule::ExpiryIsExact], "early: used at 5");
    assert_eq!(at(14, &[]), NONE);
    assert_eq!(at(15, &[A0]), NONE);
    assert_eq!(at(17, &[A0]), [Rule::ExpiryIsExact], "late");
    assert_eq!(at(17, &[]), NONE);
}

#[test]
fn a_read_in_the_last_moments_of_a_session_may_be_too_late_to_extend_it() {
    let expiry = Expiry { ttl: Duration::from_secs(10), ..Expiry::DEFAULT };
    let after = |used: Event| broken_with(&[born(), used, read(12, &[])], &[], expiry);
    let used_at = |moment| got(moment, moment + 1, "s", &[A0]);
    assert_eq!(after(used_at(9_700_000)), [Rule::ExpiryIsExact], "in time");
    assert_eq!(after(used_at(9_900_000)), NONE);
    let rolled = Event { cookie: Cookie::Rolled, ..used_at(9_900_000) };
    assert_eq!(after(rolled), [Rule::ExpiryIsExact], "the cookie says that it was extended");
    let written = set(9_900_000, 9_900_001, "s", &[("a", "1")]);
    assert_eq!(after(written), [Rule::ExpiryIsExact], "a write extends the session itself");
}

#[test]
fn in_a_long_run_sessions_expire_and_only_those_that_are_not_used() {
    assert_eq!(broken(&[born(), read(58, &[])]), [Rule::OnlyEndedSessionsEnd]);
    assert_eq!(broken(&[born(), read(59, &[])]), NONE);
    assert_eq!(broken(&[born(), read(62, &[A0])]), [Rule::ExpiryIsExact]);
    let used = read(30, &[A0]);
    assert_eq!(broken(&[born(), used.clone(), read(70, &[])]), [Rule::ExpiryIsExact]);
    assert_eq!(broken(&[born(), used.clone(), read(70, &[A0])]), NONE);
    assert_eq!(broken(&[born(), used, read(92, &[])]), NONE);
}

#[test]
fn in_a_long_run_an_item_may_be_missing_only_with_its_session() {
    let write = set(2, 3, "s", &[("a", "1")]);
    let item = |second| Event {
        sent: second * SECOND,
        answered: second * SECOND + 1,
        ..got_one(0, 0, "a", None)
    };
    assert_eq!(broken(&[born(), write.clone(), item(50)]), [Rule::NothingLost]);
    assert_eq!(broken(&[born(), write.clone(), item(60)]), NONE);
    let used = read(30, &[A0, ("a", "1")]);
    assert_eq!(broken(&[born(), write, used, item(60)]), [Rule::NothingLost]);
}
