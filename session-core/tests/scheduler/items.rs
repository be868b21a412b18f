//! What has to hold of operations on one item.

use crate::{
    facts::Facts,
    request::{Answer, Op},
};

/// Whether a session may have ended, after which another one begins to count.
fn may_have_ended(facts: &Facts<'_>) -> bool {
    let ends = |op| op == Op::Logout;
    facts.has_expired() || facts.case.requests.iter().any(|request| request.does(ends))
}

/// The session has counted every increment that was answered, each under a number of its own, and
/// no other but of a request that was dropped.
pub(crate) fn every_increment_counts_once(facts: &Facts<'_>) -> Option<String> {
    if may_have_ended(facts) {
        return None;
    }
    let counted = facts.answers().filter_map(|(_, _, _, answer)| match answer {
        Answer::Counted(number) => Some(*number),
        _ => None,
    });
    let mut counted: Vec<u32> = counted.collect();
    counted.sort_unstable();
    if counted.windows(2).any(|pair| pair[0] == pair[1]) {
        return Some(format!("{counted:?} are answered"));
    }
    let home = facts.last(&facts.successor(facts.first));
    let stored = home.and_then(|session| session.item("count"));
    let stored = stored.map_or(0, |count| count.parse().expect("it is a number"));
    let dropped = (0..facts.case.requests.len()).filter(|number| facts.was_dropped(*number));
    let lost = dropped.flat_map(|number| facts.case.requests[number].strands.concat());
    let lost = lost.filter(|op| matches!(op, Op::Count(_))).count();
    let is_right = (counted.len()..=counted.len() + lost).contains(&stored);
    (!is_right).then(|| format!("{counted:?} are answered, {stored} counted"))
}

/// The item `n`, which no request sets, is given to one request at most. It is gone then, and only
/// then, unless a request that takes it was dropped.
pub(crate) fn an_item_is_taken_at_most_once(facts: &Facts<'_>) -> Option<String> {
    let takes = |op| op == Op::Take("n");
    let takers = facts.case.requests.iter().filter(|request| request.does(takes)).count();
    if takers == 0 {
        return None;
    }
    let given = facts.answers().filter(|(_, _, _, answer)| matches!(answer, Answer::Taken(true)));
    let given = given.count();
    if given > 1 {
        return Some(format!("it is given {given} times"));
    }
    let home = facts.last(&facts.successor(facts.first));
    let is_left = home.is_some_and(|session| session.item("n").is_some());
    if given == 1 && is_left {
        return Some("it is given, and is still there".to_owned());
    }
    let is_dropped = (0..facts.case.requests.len()).any(|number| facts.was_dropped(number));
    let is_lost = given == 0 && !is_left && !is_dropped && !may_have_ended(facts);
    is_lost.then(|| "it is given to nobody, and is gone".to_owned())
}
