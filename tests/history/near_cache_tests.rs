//! Tests of the check of near caches with small histories.

use std::time::Duration;

use super::{
    check_tests::{A0, NONE, born, got, got_one, logout, set},
    history::{
        near_cache::check_near_cache,
        record::{Event, History},
        rule::{Expiry, Rule},
    },
};

#[test]
fn with_near_caches_a_server_may_lag_behind_others_but_never_behind_itself() {
    let at = |node, event: Event| Event { node, ..event };
    let broken = |last: Event| {
        let writes = [set(2, 3, "s", &[("a", "1")]), set(4, 5, "s", &[("a", "2")])];
        let events = [vec![born()], writes.to_vec(), vec![last]].concat();
        let history = History { events, losses: Vec::new() };
        let violations = check_near_cache(&history, Duration::from_micros(10), Expiry::DEFAULT);
        violations.into_iter().map(|violation| violation.rule).collect::<Vec<_>>()
    };
    let read = |from| got_one(from, from + 1, "a", Some("1"));
    assert_eq!(broken(at(0, read(6))), [Rule::NothingOverwritten], "on the server of the write");
    assert_eq!(broken(at(1, read(6))), NONE);
    assert_eq!(broken(at(1, read(16))), [Rule::NothingOverwritten], "after the lag");
    let gone = logout(4, 5, "s");
    let after = |node, from| {
        let events = vec![born(), gone.clone(), at(node, got(from, from + 1, "s", &[A0]))];
        let history = History { events, losses: Vec::new() };
        let violations = check_near_cache(&history, Duration::from_micros(10), Expiry::DEFAULT);
        violations.into_iter().map(|violation| violation.rule).collect::<Vec<_>>()
    };
    assert_eq!(after(0, 6), [Rule::LogoutIsFinal]);
    assert_eq!(after(1, 6), NONE);
    assert_eq!(after(1, 16), [Rule::LogoutIsFinal]);
}
