//! The rules where a master may die with writes that no replica has.
//!
//! What replicas have is what a master did up to some moment. So of each session the last writes
//! before its death may be undone, acknowledged or, where replicas confirm, not yet acknowledged,
//! and what was read meanwhile is no promise any more; all that came before, and all that comes
//! after, is held to the rules as ever. A logout may be among them, or the end of an id that a
//! login has replaced.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    fmt,
    iter::repeat,
};

use crate::history::{
    check::{Report, Violation, check},
    record::{Answer, Cookie, Event, History, Id, Moment, Operation},
};

/// The time before a master's death in which its replicas may have heard nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deaf {
    pub(super) from: Moment,
    pub(super) died: Moment,
    /// Whether there are other masters.
    pub(super) has_peers: bool,
    /// By then everything it has answered has been passed on.
    pub(super) to: Moment,
}

/// What no loss of unreplicated writes explains.
pub(super) struct Wrong {
    history: History,
    violations: Vec<Violation>,
}

impl fmt::Debug for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Report(&self.history, &self.violations))
    }
}

/// Counts the acknowledged writes that are lost: the fewest that explain the history.
pub(super) fn lost(history: &History, deaf: &[Deaf]) -> Result<usize, Wrong> {
    let violations = check(history, None);
    if violations.is_empty() {
        return Ok(0);
    }
    is_true_before(history, deaf[0])?;
    let sessions = sessions(history);
    let touched: BTreeSet<usize> = violations
        .iter()
        .flat_map(|violation| &violation.events)
        .flat_map(|&at| ids(&history.events[at]))
        .filter_map(|id| sessions.get(id).copied())
        .collect();
    let mut count = 0;
    for session in touched {
        let is_its = |id: &Id| sessions.get(id) == Some(&session);
        count += lost_of(&about(history, &is_its), &is_its, deaf)?;
    }
    // What is of no session is of no master either.
    let explained = |violation: &&Violation| {
        let mut events = violation.events.iter().flat_map(|&at| ids(&history.events[at]));
        events.any(|id| sessions.contains_key(id))
    };
    match violations.iter().find(|violation| !explained(violation)) {
        Some(other) => Err(wrong(copy(history), vec![other.clone()])),
        None => Ok(count),
    }
}

/// Up to the first death nothing is excused.
fn is_true_before(history: &History, first: Deaf) -> Result<(), Wrong> {
    let mut before = copy(history);
    before.events.retain(|event| event.sent < first.to);
    for event in before.events.iter_mut().filter(|event| event.answered >= first.to) {
        event.answer = Answer::Cut("not known then".to_owned());
        event.cookie = Cookie::Kept;
    }
    let violations = check(&before, None);
    if violations.is_empty() { Ok(()) } else { Err(wrong(before, violations)) }
}

/// Which session each id stands for; a login moves a session to another.
fn sessions(history: &History) -> BTreeMap<Id, usize> {
    let mut sessions = BTreeMap::new();
    let mut events: Vec<&Event> = history.events.iter().collect();
    events.sort_by_key(|event| event.sent);
    for event in events {
        let Cookie::Issued(id) = &event.cookie else { continue };
        let is_move = event.answer == Answer::Moved
            || event.is_unsure() && matches!(event.operation, Operation::Login(_));
        let before = event.claim.as_ref().filter(|_| is_move);
        let before = before.and_then(|claim| sessions.get(claim).copied());
        let new = sessions.len();
        sessions.insert(id.clone(), before.unwrap_or(new));
    }
    sessions
}

fn ids(event: &Event) -> impl Iterator<Item = &Id> {
    event.claim.iter().chain(issued(event))
}

fn issued(event: &Event) -> Option<&Id> {
    match &event.cookie {
        Cookie::Issued(id) => Some(id),
        _ => None,
    }
}

fn about(history: &History, is_its: &impl Fn(&Id) -> bool) -> History {
    let events = history.events.iter().filter(|event| ids(event).any(is_its));
    History { events: events.cloned().collect(), losses: Vec::new() }
}

/// Counts the fewest writes of a session whose loss explains its history.
fn lost_of(
    history: &History,
    is_its: &impl Fn(&Id) -> bool,
    deaf: &[Deaf],
) -> Result<usize, Wrong> {
    let violations = check(history, None);
    if violations.is_empty() {
        return Ok(0);
    }
    // What was read may have been written and not yet confirmed.
    if check(&unseen(history, deaf), None).is_empty() {
        return Ok(0);
    }
    let unheard: Vec<Vec<usize>> =
        deaf.iter().flat_map(|deaf| writes(history, is_its, *deaf)).collect();
    let all = unheard.iter().map(Vec::len).sum();
    for count in 1..=all {
        let explains = |lost: &Vec<usize>| explains(&undone(history, lost), is_its, deaf);
        if splits(history, &unheard, count).iter().any(explains) {
            return Ok(count);
        }
    }
    Err(wrong(copy(history), violations))
}

/// The history without what was read while replicas may have heard nothing.
fn unseen(history: &History, deaf: &[Deaf]) -> History {
    let mut history = copy(history);
    for event in &mut history.events {
        if is_look(event) && deaf.iter().any(|deaf| is_within(event, *deaf)) {
            overlook(event);
        }
    }
    history
}

fn is_look(event: &Event) -> bool {
    !matches!(event.answer, Answer::Done | Answer::Moved | Answer::Undone(_))
}

fn overlook(event: &mut Event) {
    event.answer = Answer::Cut("not looked at".to_owned());
    event.cookie = Cookie::Kept;
}

/// The acknowledged writes that no replica may have, the last one first; for each id, if another
/// id may be on another master.
fn writes(history: &History, is_its: &impl Fn(&Id) -> bool, deaf: Deaf) -> Vec<Vec<usize>> {
    let mut writes: BTreeMap<Option<&Id>, Vec<usize>> = BTreeMap::new();
    for (at, event) in history.events.iter().enumerate() {
        let is_done = matches!(event.answer, Answer::Done | Answer::Moved);
        if let Some(id) = ids(event).find(|id| is_its(id))
            && is_done
            && is_within(event, deaf)
        {
            writes.entry(deaf.has_peers.then_some(id)).or_default().push(at);
        }
    }
    let last_first = |at: &usize| Reverse(history.events[*at].answered);
    writes.values_mut().for_each(|writes| writes.sort_by_key(last_first));
    writes.into_values().collect()
}

fn is_within(event: &Event, deaf: Deaf) -> bool {
    (deaf.from..deaf.to).contains(&event.answered)
}

/// All ways to lose `count` writes, the end of each list.
fn splits(history: &History, unheard: &[Vec<usize>], count: usize) -> Vec<Vec<usize>> {
    let Some((first, others)) = unheard.split_first() else {
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

/// All ways to lose `count` of these writes, of which the last one to be answered is the first.
///
/// With a write goes what was sent after its answer. Of two that were under way at once either
/// one may have been the later; `kept` is when the latest of those that stay was sent.
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

fn undone(history: &History, lost: &[usize]) -> History {
    let mut history = copy(history);
    for &at in lost {
        let event = &mut history.events[at];
        event.answer = Answer::Undone(Box::new(event.answer.clone()));
    }
    history
}

/// Whether the history is true, given what is undone in it.
fn explains(history: &History, is_its: &impl Fn(&Id) -> bool, deaf: &[Deaf]) -> bool {
    let is_true = || check(&forgotten(history, is_its, deaf), None).is_empty();
    !is_seen_again(history, deaf) && is_true()
        || (0..history.events.len()).any(|login| {
            let two = fork(history, login, is_its, deaf);
            two.is_some_and(|two| two.iter().all(|one| explains(one, is_its, deaf)))
        })
}

/// Whether a value that is undone is read after the death all the same.
fn is_seen_again(history: &History, deaf: &[Deaf]) -> bool {
    let over = |written: &Event| {
        let deaf = deaf.iter().find(|deaf| is_within(written, **deaf));
        deaf.map_or(Moment::MAX, |deaf| deaf.to)
    };
    let undone: BTreeMap<&str, Moment> = history
        .events
        .iter()
        .filter(|event| matches!(event.answer, Answer::Undone(_)))
        .flat_map(|event| event.items_set().into_iter().flatten().zip(repeat(over(event))))
        .map(|((_, value), over)| (value.as_str(), over))
        .collect();
    let is_again = |at: Moment, value: &str| undone.get(value).is_some_and(|over| at >= *over);
    history.events.iter().any(|event| match &event.answer {
        Answer::Items(items) => items.values().any(|value| is_again(event.sent, value)),
        Answer::Item(Some(value)) => is_again(event.sent, value),
        _ => false,
    })
}

/// The history as far as it is still a promise when something is undone.
fn forgotten(history: &History, is_its: &impl Fn(&Id) -> bool, deaf: &[Deaf]) -> History {
    let mut history = copy(history);
    let is_undone = |event: &Event| matches!(event.answer, Answer::Undone(_));
    if !history.events.iter().any(is_undone) {
        return history;
    }
    for event in &mut history.events {
        if is_undone(event) {
            // With its first write a session goes as a whole.
            if issued(event).is_some_and(is_its) {
                history.losses.push(event.sent);
            }
        } else if deaf.iter().any(|deaf| is_within(event, *deaf))
            && (is_look(event) || issued(event).is_some_and(|id| !is_its(id)))
        {
            overlook(event);
        }
    }
    history
}

/// A login that is undone on the master of the old id alone leaves two sessions: the old one as
/// it was some time before, and the new one, of which nothing is lost. Where there is one master
/// a login is one step.
fn fork(
    history: &History,
    login: usize,
    is_its: &impl Fn(&Id) -> bool,
    deaf: &[Deaf],
) -> Option<[History; 2]> {
    let moved = &history.events[login];
    let Answer::Undone(answer) = &moved.answer else { return None };
    let new = issued(moved).filter(|_| **answer == Answer::Moved)?;
    let deaf = deaf.iter().find(|deaf| deaf.has_peers && is_within(moved, **deaf))?;
    let earlier = history.events.iter().filter(|event| event.answered <= moved.answered);
    let old: BTreeSet<&Id> =
        earlier.filter_map(issued).filter(|id| is_its(id) && *id != new).collect();
    let (mut before, mut after) = (History::default(), History::default());
    for (at, event) in history.events.iter().enumerate() {
        let is_of_old = event.claim.as_ref().is_some_and(|claim| old.contains(claim));
        if at == login {
            let (mut stayed, mut went) = (event.clone(), event.clone());
            stayed.cookie = Cookie::Kept;
            went.answer = Answer::Moved;
            before.events.push(stayed);
            after.events.push(went);
            continue;
        }
        if ids(event).all(|id| old.contains(id) || !is_its(id)) {
            before.events.push(event.clone());
        }
        if !is_of_old || event.answered <= deaf.died {
            let mut event = event.clone();
            if let (Answer::Undone(answer), true) = (&event.answer, is_of_old) {
                event.answer = (**answer).clone();
            }
            after.events.push(event);
        }
    }
    Some([before, after])
}

fn copy(history: &History) -> History {
    History { events: history.events.clone(), losses: history.losses.clone() }
}

fn wrong(history: History, violations: Vec<Violation>) -> Wrong {
    Wrong { history, violations }
}
