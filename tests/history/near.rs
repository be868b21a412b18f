//! The rules where servers keep what they have lately read.

use std::{collections::BTreeSet, time::Duration};

use super::{
    check::{Violation, check, micros},
    record::{Answer, Event, History, Operation},
};

/// Longer than any run.
const AGES: Duration = Duration::from_secs(1_000_000);

/// Finds what breaks the rules where servers keep what they have read near: a server knows at
/// once what it has itself acknowledged, and after `lag` what others have.
pub(crate) fn check_near(history: &History, lag: Duration) -> Vec<Violation> {
    let nodes: BTreeSet<usize> = history.events.iter().map(|event| event.node).collect();
    let is_read = |event: &Event| matches!(event.operation, Operation::Get | Operation::GetItem(_));
    let seen_from = |node| {
        let mut own = history.events.clone();
        for event in own.iter_mut().filter(|event| event.node != node) {
            if is_read(event) {
                // What others have read is no promise here.
                event.answer = Answer::Cut("not looked at".to_owned());
            }
        }
        let mut late = own.clone();
        for event in own.iter_mut().filter(|event| event.node != node) {
            event.answered += micros(AGES);
        }
        for event in late.iter_mut().filter(|event| event.node == node && is_read(event)) {
            event.sent = event.sent.saturating_sub(micros(lag));
        }
        [own, late].map(|events| check(&History { events, losses: history.losses.clone() }, None))
    };
    nodes.into_iter().flat_map(seen_from).flatten().collect()
}
