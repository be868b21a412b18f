//! The rules for failovers that may lose unreplicated writes.
//!
//! Replicas have everything that their master did up to some moment. So a failover may roll back
//! the last writes of each session before the kill, acknowledged or, with `wait_replicas`, not yet
//! acknowledged, and reads in that time prove nothing. These writes may include a logout or the end
//! of an id that a login has replaced. All earlier and all later events must obey the rules.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
    iter::repeat,
};

use crate::history::{
    check::{check, sessions},
    record::{Answer, Cookie, Event, History, Id, Moment, Operation},
    rule::{Expiry, Report, Violation},
};

/// The time around the kill of a master in which its replicas may have missed writes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Partition {
    pub(super) from: Moment,
    pub(super) died: Moment,
    /// Whether there are other masters.
    pub(super) has_peers: bool,
    /// The moment by which all answers of the killed master have reached the clients.
    pub(super) to: Moment,
}

/// The failovers of a run, and how long its sessions and ids live.
pub(super) struct Failovers {
    pub(super) partitions: Vec<Partition>,
    pub(super) expiry: Expiry,
}

/// A history that no loss of unreplicated writes explains.
pub(super) struct Unexplained {
    history: History,
    violations: Vec<Violation>,
}

impl fmt::Debug for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Report(&self.history, &self.violations))
    }
}

/// Returns the smallest number of lost acknowledged writes that explains the history.
pub(super) fn lost(history: &History, failovers: &Failovers) -> Result<usize, Unexplained> {
    let Failovers { partitions, expiry } = failovers;
    let violations = check(history, *expiry);
    if violations.is_empty() {
        return Ok(0);
    }
    let Some(first) = partitions.first() else {
        return Err(unexplained(copy(history), violations));
    };
    check_before(history, *first, *expiry)?;
    let sessions = sessions(history, *expiry);
    let touched: BTreeSet<usize> = violations
        .iter()
        .flat_map(|violation| &violation.events)
        .flat_map(|&at| ids(&history.events[at]))
        .filter_map(|id| sessions.get(id).copied())
        .collect();
    let mut count = 0;
    for session in touched {
        let is_its = |id: &Id| sessions.get(id) == Some(&session);
        count += lost_in_session(&of_session(history, &is_its), &is_its, failovers)?;
    }
    // Violations without a session cannot be caused by a lost write.
    let explained = |violation: &&Violation| {
        let mut events = violation.events.iter().flat_map(|&at| ids(&history.events[at]));
        events.any(|id| sessions.contains_key(id))
    };
    match violations.iter().find(|violation| !explained(violation)) {
        Some(other) => Err(unexplained(copy(history), vec![other.clone()])),
        None => Ok(count),
    }
}

/// Checks the history before the first failover, where nothing is excused.
fn check_before(history: &History, first: Partition, expiry: Expiry) -> Result<(), Unexplained> {
    let mut before = copy(history);
    before.events.retain(|event| event.sent < first.to);
    for event in before.events.iter_mut().filter(|event| event.answered >= first.to) {
        event.answer = Answer::Cut("after the partition".to_owned());
        event.cookie = Cookie::Unchanged;
    }
    let violations = check(&before, expiry);
    if violations.is_empty() { Ok(()) } else { Err(unexplained(before, violations)) }
}

fn ids(event: &Event) -> impl Iterator<Item = &Id> {
    event.claim.iter().chain(event.issued())
}

/// Returns the events of one session.
fn of_session(history: &History, is_its: &impl Fn(&Id) -> bool) -> History {
    let events = history.events.iter().filter(|event| ids(event).any(is_its));
    History { events: events.cloned().collect(), losses: Vec::new() }
}

/// Returns the smallest number of lost writes that explains the history of one session.
fn lost_in_session(
    history: &History,
    is_its: &impl Fn(&Id) -> bool,
    failovers: &Failovers,
) -> Result<usize, Unexplained> {
    let Failovers { partitions, expiry } = failovers;
    let violations = check(history, *expiry);
    if violations.is_empty() {
        return Ok(0);
    }
    // A read may have returned a write that was not confirmed yet.
    if check(&without_reads(history, partitions), *expiry).is_empty() {
        return Ok(0);
    }
    let unreplicated: Vec<Vec<usize>> =
        partitions.iter().flat_map(|partition| writes(history, is_its, *partition)).collect();
    let all = unreplicated.iter().map(Vec::len).sum();
    for count in 1..=all {
        let explains = |lost: &Vec<usize>| explains(&rolled_back(history, lost), is_its, failovers);
        if let Some(lost) =
            splits(history, &unreplicated, count).iter().find(|&lost| explains(lost))
        {
            lost.iter().for_each(|&at| println!("lost: {}", history.events[at]));
            return Ok(count);
        }
    }
    Err(unexplained(copy(history), violations))
}

/// Returns the history without the reads during the partitions. What they were told of a renewal by
/// itself may be rolled back as well, unless the new id is used afterwards.
fn without_reads(history: &History, partitions: &[Partition]) -> History {
    let is_excused =
        |event: &Event| partitions.iter().any(|partition| may_read_within(event, *partition));
    let is_use = |event: &&Event| {
        let shows = match &event.answer {
            Answer::Items(items) => !items.is_empty(),
            Answer::Item(item) => item.is_some(),
            answer => matches!(answer, Answer::Done | Answer::Counted(_)),
        };
        shows && event.issued().is_none() && !is_excused(event)
    };
    let uses = history.events.iter().filter(is_use);
    let used: BTreeSet<&Id> = uses.filter_map(|event| event.claim.as_ref()).collect();
    let mut without = copy(history);
    for event in &mut without.events {
        if is_read_or_failed(event) && is_excused(event) {
            let is_kept = event.issued().is_some_and(|id| used.contains(id));
            let cookie = event.cookie.clone();
            ignore(event);
            if is_kept {
                event.cookie = cookie;
            }
        }
    }
    without
}

fn is_read_or_failed(event: &Event) -> bool {
    !is_acknowledged(event) && !matches!(event.answer, Answer::RolledBack(_))
}

/// Returns whether the event is a write that was acknowledged.
fn is_acknowledged(event: &Event) -> bool {
    let is_taken = matches!(event.operation, Operation::Take(_))
        && matches!(event.answer, Answer::Item(Some(_)));
    is_taken || matches!(event.answer, Answer::Done | Answer::Renewed | Answer::Counted(_))
}

fn ignore(event: &mut Event) {
    event.answer = Answer::Cut("ignored".to_owned());
    event.cookie = Cookie::Unchanged;
}

/// Returns the acknowledged writes that may be unreplicated, the latest first. With several masters
/// there is one list for each id, because another id may be on another master.
fn writes(
    history: &History,
    is_its: &impl Fn(&Id) -> bool,
    partition: Partition,
) -> Vec<Vec<usize>> {
    let mut writes: BTreeMap<Option<&Id>, Vec<usize>> = BTreeMap::new();
    for (at, event) in history.events.iter().enumerate() {
        if let Some(id) = ids(event).find(|id| is_its(id))
            && is_acknowledged(event)
            && is_within(event, partition)
        {
            writes.entry(partition.has_peers.then_some(id)).or_default().push(at);
        }
    }
    let last_first = |at: &usize| Reverse(history.events[*at].answered);
    writes.values_mut().for_each(|writes| writes.sort_by_key(last_first));
    writes.into_values().collect()
}

fn is_within(event: &Event, partition: Partition) -> bool {
    (partition.from..partition.to).contains(&event.answered)
}

/// Returns whether the request may have read the store during the partition. Its answer may have
/// waited for something else.
fn may_read_within(event: &Event, partition: Partition) -> bool {
    event.sent < partition.to && event.answered >= partition.from
}

/// Returns all ways to lose `count` writes from the ends of the lists.
fn splits(history: &History, unreplicated: &[Vec<usize>], count: usize) -> Vec<Vec<usize>> {
    let Some((first, others)) = unreplicated.split_first() else {
        return if count == 0 { vec![Vec::new()] } else { Vec::new() };
    };
    let with = |here: usize| {
        let others = splits(history, others, count - here);
        let ends = ends(history, first, here, 0).into_iter();
        ends.flat_map(move |end| {
            let join = move |other: &Vec<usize>| [&end[..], other].concat();
            others.iter().map(join).collect::<Vec<_>>()
        })
    };
    (0..=count.min(first.len())).flat_map(with).collect()
}

/// Returns all ways to lose `count` of these writes, which are sorted by their answers, the latest
/// first.
///
/// If a write is lost, all writes sent after its answer are lost as well. Of two concurrent writes
/// either may be the later one. `kept` is the moment when the latest kept write was sent.
fn ends(history: &History, writes: &[usize], count: usize, kept: Moment) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let Some((&last, earlier)) = writes.split_first() else { return Vec::new() };
    let event = &history.events[last];
    if event.answered < kept {
        return Vec::new();
    }
    let mut ways = ends(history, earlier, count - 1, kept);
    ways.iter_mut().for_each(|way| way.push(last));
    ways.extend(ends(history, earlier, count, kept.max(event.sent)));
    ways
}

fn rolled_back(history: &History, lost: &[usize]) -> History {
    let mut history = copy(history);
    for &at in lost {
        let event = &mut history.events[at];
        event.answer = Answer::RolledBack(Box::new(event.answer.clone()));
    }
    history
}

/// Returns whether the rolled back writes explain the history.
fn explains(history: &History, is_its: &impl Fn(&Id) -> bool, failovers: &Failovers) -> bool {
    let Failovers { partitions, expiry } = failovers;
    let is_consistent = || check(&without_excused(history, is_its, partitions), *expiry).is_empty();
    !is_seen_again(history, partitions) && is_consistent()
        || (0..history.events.len()).any(|login| {
            let two = fork(history, login, is_its, partitions);
            two.is_some_and(|two| two.iter().all(|one| explains(one, is_its, failovers)))
        })
}

/// Returns whether a rolled back value is read after the failover.
fn is_seen_again(history: &History, partitions: &[Partition]) -> bool {
    let over = |written: &Event| {
        let partition = partitions.iter().find(|partition| is_within(written, **partition));
        partition.map_or(Moment::MAX, |partition| partition.to)
    };
    let rolled_back: BTreeMap<&str, Moment> = history
        .events
        .iter()
        .filter(|event| matches!(event.answer, Answer::RolledBack(_)))
        .flat_map(|event| event.items_set().into_iter().flatten().zip(repeat(over(event))))
        .map(|((_, value), over)| (value.as_str(), over))
        .collect();
    let is_again = |at: Moment, value: &str| rolled_back.get(value).is_some_and(|over| at >= *over);
    history.events.iter().any(|event| match &event.answer {
        Answer::Items(items) => items.values().any(|value| is_again(event.sent, value)),
        Answer::Item(Some(value)) => is_again(event.sent, value),
        _ => false,
    })
}

/// Returns the history without the events that a rollback excuses.
fn without_excused(
    history: &History,
    is_its: &impl Fn(&Id) -> bool,
    partitions: &[Partition],
) -> History {
    let mut history = copy(history);
    let is_rolled_back = |event: &Event| matches!(event.answer, Answer::RolledBack(_));
    if !history.events.iter().any(is_rolled_back) {
        return history;
    }
    for event in &mut history.events {
        if is_rolled_back(event) {
            // Without its first write the whole session is lost.
            if event.issued().is_some_and(is_its) {
                history.losses.push(event.sent);
            }
        } else if partitions.iter().any(|partition| may_read_within(event, *partition))
            && (is_read_or_failed(event) || event.issued().is_some_and(|id| !is_its(id)))
        {
            ignore(event);
        }
    }
    history
}

/// Splits the history at a login that is rolled back only on the master of the old id.
///
/// Such a login leaves two sessions: the old one in an earlier state, and the new one, which has
/// lost nothing. With a single master a login is atomic, so this cannot happen.
fn fork(
    history: &History,
    login: usize,
    is_its: &impl Fn(&Id) -> bool,
    partitions: &[Partition],
) -> Option<[History; 2]> {
    let renewal = &history.events[login];
    let Answer::RolledBack(answer) = &renewal.answer else { return None };
    let new = renewal.issued().filter(|_| **answer == Answer::Renewed)?;
    let partition = partitions
        .iter()
        .find(|partition| partition.has_peers && is_within(renewal, **partition))?;
    let earlier = history.events.iter().filter(|event| event.answered <= renewal.answered);
    let old: BTreeSet<&Id> =
        earlier.filter_map(|event| event.issued()).filter(|id| is_its(id) && *id != new).collect();
    let (mut old_session, mut new_session) = (History::default(), History::default());
    for (at, event) in history.events.iter().enumerate() {
        let is_of_old = event.claim.as_ref().is_some_and(|claim| old.contains(claim));
        if at == login {
            let (mut without, mut with) = (event.clone(), event.clone());
            without.cookie = Cookie::Unchanged;
            with.answer = Answer::Renewed;
            old_session.events.push(without);
            new_session.events.push(with);
            continue;
        }
        if ids(event).all(|id| old.contains(id) || !is_its(id)) {
            old_session.events.push(event.clone());
        }
        if !is_of_old || event.answered <= partition.died {
            let mut event = event.clone();
            if let (Answer::RolledBack(answer), true) = (&event.answer, is_of_old) {
                event.answer = (**answer).clone();
            }
            new_session.events.push(event);
        }
    }
    Some([old_session, new_session])
}

fn copy(history: &History) -> History {
    History { events: history.events.clone(), losses: history.losses.clone() }
}

fn unexplained(history: History, violations: Vec<Violation>) -> Unexplained {
    Unexplained { history, violations }
}
