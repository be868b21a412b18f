//! Writers in every order in which they can meet, over a store whose every step waits for leave.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use serde_json::value::to_raw_value;
use tokio::sync::Semaphore;

use super::*;

/// A store of one session, written by compare-and-set.
#[derive(Clone, Default)]
struct Store(Arc<Shared>);

#[derive(Default)]
struct Shared {
    groups: WriteGroups,
    session: Mutex<Option<Snapshot>>,
    /// Those who wait for leave to take their next step.
    gates: Mutex<Vec<Arc<Semaphore>>>,
    writes: Mutex<usize>,
    panics: Mutex<bool>,
}

impl Store {
    fn with(session: &str) -> Self {
        let store = Self::default();
        *store.0.session.lock().unwrap() = Snapshot::parse(session).unwrap();
        store
    }

    fn session(&self) -> Option<Snapshot> {
        self.0.session.lock().unwrap().clone()
    }

    async fn step(&self) {
        let gate = Arc::new(Semaphore::new(0));
        self.0.gates.lock().unwrap().push(gate.clone());
        gate.acquire().await.unwrap().forget();
    }

    fn gates(&self) -> Vec<Arc<Semaphore>> {
        let mut gates = self.0.gates.lock().unwrap();
        // Those whose waiter was dropped are not open to anybody.
        gates.retain(|gate| Arc::strong_count(gate) > 1);
        gates.clone()
    }

    fn open(&self, gate: &Arc<Semaphore>) {
        self.0.gates.lock().unwrap().retain(|other| !Arc::ptr_eq(gate, other));
        gate.add_permits(1);
    }

    fn swap(&self, old: &Snapshot, new: Snapshot) -> bool {
        let mut session = self.0.session.lock().unwrap();
        let is_same = session.as_ref() == Some(old);
        if is_same {
            *session = Some(new);
            *self.0.writes.lock().unwrap() += 1;
        }
        is_same
    }

    async fn write_alone(&self, changes: &Changes) -> Result<(Written, Option<Snapshot>)> {
        loop {
            self.step().await;
            let Some(old) = self.session() else { return Ok((Written::Refused, None)) };
            let (new, _) = update_options().apply(changes, Some(&old)).unwrap();
            self.step().await;
            if self.swap(&old, new.clone()) {
                return Ok((Written::Saved, Some(new)));
            }
        }
    }

    /// Writes one item, as a request would.
    async fn set(self, key: String) -> Result<Written> {
        let (id, mut changes) = (id(), Changes::new());
        changes.set(&*key, to_raw_value(&1).unwrap());
        update(&self, &id, &changes, update_options(), self.write_alone(&changes)).await
    }
}

impl GroupedWrites for Store {
    const NAME: &'static str = "test";

    fn groups(&self) -> &WriteGroups {
        &self.0.groups
    }

    fn patience(&self) -> Option<Duration> {
        None
    }

    async fn write_group(
        &self,
        _: &SessionId,
        group: Group,
        mut latest: Option<Snapshot>,
    ) -> Option<Snapshot> {
        loop {
            self.step().await;
            assert!(!*self.0.panics.lock().unwrap(), "raised by this test");
            let old = latest.take().or_else(|| self.session());
            let Applied { new, answers } = group.apply(old.as_ref());
            let (Some(old), Some((new, _))) = (old, new) else {
                group.answer(Ok(answers));
                return None;
            };
            self.step().await;
            if self.swap(&old, new.clone()) {
                group.answer(Ok(answers));
                return Some(new);
            }
        }
    }
}

fn id() -> SessionId {
    SessionId::parse("a").unwrap()
}

fn update_options() -> SetOptions<'static> {
    SetOptions::update(Duration::from_secs(60))
}

/// Lets the task that writes for others get as far as it can.
async fn settle() {
    for _ in 0..4 {
        yield_now().await;
    }
}

type Writer = Pin<Box<dyn Future<Output = Result<Written>>>>;

/// One run: each choice decides what happens next.
struct Run<'a> {
    store: Store,
    choices: &'a mut Choices,
    writers: Vec<Option<Writer>>,
    begun: usize,
    answers: Vec<Option<Written>>,
    may_drop: bool,
    may_write: bool,
    may_remove: bool,
    is_removed: bool,
}

#[derive(Clone)]
enum Step {
    Begin,
    Drop(usize),
    Open(Arc<Semaphore>),
    WriteFromOutside,
    RemoveFromOutside,
}

/// The choices of a run, and after it those of the next one: every path is taken once.
#[derive(Default)]
struct Choices {
    taken: Vec<(usize, usize)>,
    at: usize,
}

impl Choices {
    fn choose(&mut self, count: usize) -> usize {
        if self.at == self.taken.len() {
            self.taken.push((0, count));
        }
        let (choice, of) = self.taken[self.at];
        assert_eq!(of, count, "a run can be repeated");
        self.at += 1;
        choice
    }

    fn advance(&mut self) -> bool {
        self.at = 0;
        while let Some((choice, count)) = self.taken.pop() {
            if choice + 1 < count {
                self.taken.push((choice + 1, count));
                return true;
            }
        }
        false
    }
}

impl Run<'_> {
    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.begun < self.writers.len() {
            steps.push(Step::Begin);
        }
        steps.extend(self.store.gates().into_iter().map(Step::Open));
        if steps.is_empty() {
            return steps;
        }
        if self.may_drop {
            let begun = (0..self.begun).filter(|number| self.writers[*number].is_some());
            steps.extend(begun.map(Step::Drop));
        }
        if self.may_write {
            steps.push(Step::WriteFromOutside);
        }
        if self.may_remove {
            steps.push(Step::RemoveFromOutside);
        }
        steps
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Begin => self.begun += 1,
            Step::Open(gate) => self.store.open(&gate),
            Step::Drop(number) => {
                self.may_drop = false;
                self.writers[number] = None;
            }
            Step::WriteFromOutside => {
                self.may_write = false;
                let mut session = self.store.0.session.lock().unwrap();
                let mut changes = Changes::new();
                changes.set("outside", to_raw_value(&1).unwrap());
                *session = session.as_ref().and_then(|now| changes.apply(Some(now)));
            }
            Step::RemoveFromOutside => {
                (self.may_remove, self.is_removed) = (false, true);
                *self.store.0.session.lock().unwrap() = None;
            }
        }
        settle().await;
        self.poll();
        settle().await;
        self.poll();
    }

    fn poll(&mut self) {
        for number in 0..self.begun {
            let Some(writer) = &mut self.writers[number] else { continue };
            let poll = writer.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            if let Poll::Ready(answer) = poll {
                self.answers[number] = Some(answer.unwrap());
                self.writers[number] = None;
            }
        }
    }

    async fn finish(mut self) -> usize {
        let was_written = self.may_write;
        while let steps @ [_, ..] = &self.steps()[..] {
            let step = steps[self.choices.choose(steps.len())].clone();
            self.take(step).await;
        }
        assert!(self.writers.iter().all(Option::is_none), "a writer waits for ever");
        assert!(
            self.store.0.groups.0.lock(id().as_str()).is_empty(),
            "the session can be written again"
        );
        let stored = self.store.session();
        let has = |key: &str| stored.as_ref().is_some_and(|stored| stored.item(key).is_some());
        for (number, answer) in self.answers.iter().enumerate() {
            match answer {
                Some(Written::Refused) => assert!(self.is_removed, "{number} was refused"),
                Some(_) => assert!(self.is_removed || has(&number.to_string()), "{number} is lost"),
                None => {}
            }
        }
        let outside = was_written && !self.may_write && !self.is_removed;
        assert!(!outside || has("outside"), "a write from outside is lost");
        assert!(!self.is_removed || stored.is_none(), "a removed session is back");
        *self.store.0.writes.lock().unwrap()
    }
}

/// Runs three writers in every order. Returns how many orders there are, and the fewest writes.
async fn explore(may_drop: bool, may_write: bool, may_remove: bool) -> (usize, usize) {
    let (mut choices, mut runs, mut fewest) = (Choices::default(), 0, usize::MAX);
    loop {
        let store = Store::with(r#"{"first":1}"#);
        let writers =
            (0..3).map(|number| Some(Box::pin(store.clone().set(number.to_string())) as _));
        let run = Run {
            writers: writers.collect(),
            store,
            choices: &mut choices,
            begun: 0,
            answers: vec![None; 3],
            may_drop,
            may_write,
            may_remove,
            is_removed: false,
        };
        fewest = fewest.min(run.finish().await);
        runs += 1;
        if !choices.advance() {
            return (runs, fewest);
        }
    }
}

#[tokio::test]
async fn g1_writers_in_a_group_lose_nothing_in_any_order() {
    let (runs, fewest) = explore(false, true, false).await;
    assert!(runs > 50, "{runs} orders");
    assert_eq!(fewest, 2, "those who wait are written together");
}

#[tokio::test]
async fn g1_a_writer_that_is_dropped_takes_no_other_with_it_in_any_order() {
    let (runs, _) = explore(true, false, false).await;
    assert!(runs > 100, "{runs} orders");
}

#[tokio::test]
async fn g2_writers_in_a_group_never_bring_a_session_back_in_any_order() {
    let (runs, _) = explore(true, false, true).await;
    assert!(runs > 500, "{runs} orders");
}

#[tokio::test]
async fn writers_whose_task_panics_are_told_and_the_next_one_writes() {
    let store = Store::with(r#"{"first":1}"#);
    let [first, second, third] =
        [0, 1, 2].map(|number| tokio::spawn(store.clone().set(number.to_string())));
    settle().await;
    *store.0.panics.lock().unwrap() = true;
    while let [gate, ..] = &store.gates()[..] {
        store.open(gate);
        settle().await;
    }
    assert_eq!(first.await.unwrap().unwrap(), Written::Saved);
    for waited in [second, third] {
        assert!(waited.await.unwrap().unwrap_err().is_unavailable());
    }
    let last = tokio::spawn(store.clone().set("last".to_owned()));
    settle().await;
    while let [gate, ..] = &store.gates()[..] {
        store.open(gate);
        settle().await;
    }
    assert_eq!(last.await.unwrap().unwrap(), Written::Saved);
}

#[test]
fn a_large_write_is_in_a_group_of_its_own() {
    let (groups, id) = (WriteGroups::default(), id());
    let of = |bytes: usize| {
        let mut changes = Changes::new();
        changes.set("a", to_raw_value(&"x".repeat(bytes)).unwrap());
        changes
    };
    assert!(groups.begin(&id, &of(1), update_options()).is_none());
    let sizes = [10, MAX_BYTES, 20, 30];
    let waiting = sizes.map(|bytes| groups.begin(&id, &of(bytes), update_options()).unwrap());
    let lengths = std::iter::from_fn(|| groups.next(&id)).map(|group| group.0.len());
    assert_eq!(lengths.collect::<Vec<_>>(), [1, 1, 2]);
    drop(waiting);
}

#[derive(Debug)]
struct Never;

impl Condition for Never {
    fn is_met_by(&self, _: &Snapshot) -> bool {
        false
    }
}

#[test]
fn a_write_whose_condition_is_not_met_is_refused_and_the_others_of_its_group_are_not() {
    let (groups, id) = (WriteGroups::default(), id());
    let never: Arc<dyn Condition> = Arc::new(Never);
    let set = |key: &str| {
        let mut changes = Changes::new();
        changes.set(key, to_raw_value(&1).unwrap());
        changes
    };
    let refused = update_options().condition(&never);
    assert!(groups.begin(&id, &Changes::new(), update_options()).is_none());
    let writes = [("a", update_options()), ("b", refused), ("c", update_options())];
    let _answers = writes.map(|(key, options)| groups.begin(&id, &set(key), options).unwrap());
    let group = groups.next(&id).unwrap();
    let stored = Snapshot::parse(r#"{"first":1}"#).unwrap();
    let Applied { new, answers } = group.apply(stored.as_ref());
    assert_eq!(new.unwrap().0.to_json(), r#"{"a":1,"c":1,"first":1}"#);
    assert_eq!(answers, [Written::Saved, Written::Refused, Written::Saved]);
}

#[test]
fn a_write_that_nobody_waits_for_is_not_applied() {
    let (groups, id) = (WriteGroups::default(), id());
    let set = |key: &str| {
        let mut changes = Changes::new();
        changes.set(key, to_raw_value(&1).unwrap());
        changes
    };
    assert!(groups.begin(&id, &Changes::new(), update_options()).is_none());
    let [a, b] = ["a", "b"].map(|key| groups.begin(&id, &set(key), update_options()).unwrap());
    let group = groups.next(&id).unwrap();
    drop(a);
    let stored = Snapshot::parse(r#"{"first":1}"#).unwrap();
    let (new, _) = group.apply(stored.as_ref()).new.unwrap();
    assert_eq!(new.stored(), r#"{"b":1,"first":1}"#);
    drop(b);
    assert!(group.apply(stored.as_ref()).new.is_none());
    drop(group);
    assert!(groups.next(&id).is_none(), "the turn has ended");
}
