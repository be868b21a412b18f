//! One run: requests over one session, in the order that the choices decide.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use session_core::{Manager, Session, SessionId, Storage as _};
use tokio::task::yield_now;

use crate::{
    browser,
    case::{Case, Setting},
    first_session::{self, ABSOLUTE_TTL, LEFT},
    history::{Event, History},
    request::{Claim, Op, perform_all},
    schedule::Choices,
    store::ScheduledStorage,
    turns::{Alarm, Moment, Place, Turns},
};

pub(crate) const TTL: Duration = Duration::from_secs(600);
/// Longer than any run, as the ids that a run issues are not due.
const RENEW_AFTER: Duration = Duration::from_secs(3600);
/// More steps than any run needs.
const MAX_STEPS: usize = 500;

/// What can happen next.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Start(usize),
    Resume(usize, Place),
    Drop(usize),
    GiveUp(usize),
    Expire,
    /// The absolute end comes.
    End,
}

type Strand = Pin<Box<dyn Future<Output = ()>>>;

struct Running {
    future: Strand,
    request: usize,
    alarm: Arc<Alarm>,
    is_begun: bool,
    is_kept: bool,
}

pub(crate) struct Run<'a> {
    case: &'a Case,
    choices: &'a mut dyn Choices,
    managers: Vec<Manager>,
    store: ScheduledStorage,
    first: SessionId,
    invented: SessionId,
    sessions: Vec<Option<Session>>,
    /// By the number that [`Turns`] gave each.
    strands: Vec<Option<Running>>,
    spare: Spare,
    pub(crate) steps: Vec<Step>,
}

/// What may happen once.
struct Spare {
    drop: bool,
    give_up: bool,
    expiry: bool,
    end: bool,
}

impl<'a> Run<'a> {
    pub(crate) async fn new(
        case: &'a Case,
        setting: &Setting,
        choices: &'a mut dyn Choices,
    ) -> Self {
        let Setting { form, inner, timeout, suffix } = setting.clone();
        let (turns, history) = (Arc::<Turns>::default(), Arc::<History>::default());
        let store = ScheduledStorage { inner, form, turns, history };
        let id = |name: &str| SessionId::parse(&format!("{name}-{suffix}")).expect("it is valid");
        let (first, invented) = (id("first"), id("invented"));
        store.history.watch(&first);
        store.history.watch(&invented);
        if case.has_session {
            first_session::create(case, &store, &first).await;
        }
        let nodes = if case.has_two_nodes { 2 } else { 1 };
        let manager = || {
            let (turns, history) = (store.turns.clone(), store.history.clone());
            let suffix = suffix.clone();
            let new_id = move || {
                let request = turns.running().map(|strand| turns.doing(strand).request);
                let number = history.record().ids.len();
                let id = SessionId::parse(&format!("new{number}-{suffix}")).expect("it is valid");
                history.watch(&id);
                let request = request.expect("only a request needs an id");
                history.push(Event::Generated { request, id: id.clone() });
                id
            };
            let mut builder = Manager::builder(store.clone()).ttl(TTL).timeout(timeout);
            if case.renews {
                builder = builder.renew_after(RENEW_AFTER);
            }
            if case.has_end {
                builder = builder.absolute_ttl(ABSOLUTE_TTL);
            }
            builder.id_fn(new_id).build().expect("the settings are valid")
        };
        let managers = (0..nodes).map(|_| manager()).collect();
        let sessions = case.requests.iter().map(|_| None).collect();
        let (expiry, end) = (case.may_expire, case.has_end);
        let spare = Spare { drop: true, give_up: true, expiry, end };
        let (strands, steps) = (Vec::new(), Vec::new());
        Self { case, choices, managers, store, first, invented, sessions, strands, spare, steps }
    }

    pub(crate) fn first(&self) -> &SessionId {
        &self.first
    }

    pub(crate) fn history(&self) -> Arc<History> {
        self.store.history.clone()
    }

    /// Runs every request to its end.
    pub(crate) async fn finish(&mut self) {
        for _ in 0..MAX_STEPS {
            let steps = self.next_steps();
            if !steps.iter().any(|step| matches!(step, Step::Start(_) | Step::Resume(..))) {
                if self.strands.iter().all(Option::is_none) {
                    if self.spare.end {
                        self.take(Step::End).await;
                    }
                    return;
                }
                if !self.let_time_pass().await {
                    break;
                }
                continue;
            }
            let chosen = if steps.len() == 1 { 0 } else { self.choices.choose(steps.len()) };
            self.steps.push(steps[chosen]);
            self.take(steps[chosen]).await;
        }
        self.store.history.push(Event::Stuck);
    }

    fn next_steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let turns = &self.store.turns;
        for (number, strand) in self.strands.iter().enumerate() {
            let Some(strand) = strand.as_ref().filter(|strand| !strand.is_kept) else { continue };
            let (place, request) = (turns.place(number), &self.case.requests[strand.request]);
            let is_suspended = matches!(place, Place::At(..));
            if !strand.is_begun || is_suspended || strand.alarm.is_rung() {
                steps.push(Step::Resume(number, place));
            }
            let is_op = !matches!(turns.doing(number).op, Op::Close | Op::TryClose);
            if self.spare.give_up && request.may_repeat && is_suspended && is_op {
                steps.push(Step::GiveUp(number));
            }
        }
        let started = self.store.turns.requests();
        for (number, request) in self.case.requests.iter().enumerate() {
            let is_early = number > 0
                && self.case.is_first_alone
                && !self.store.history.record().has_responded(0);
            if !started.contains(&number) && !is_early {
                steps.push(Step::Start(number));
            } else if self.spare.drop && request.may_drop && self.sessions[number].is_some() {
                steps.push(Step::Drop(number));
            }
        }
        if self.spare.expiry {
            steps.push(Step::Expire);
        }
        if self.spare.end {
            steps.push(Step::End);
        }
        steps
    }

    async fn take(&mut self, step: Step) {
        let history = self.store.history.clone();
        match step {
            Step::Start(request) => self.start(request).await,
            Step::Resume(strand, place) => {
                if matches!(place, Place::At(..)) {
                    self.store.turns.put(strand, Place::Granted);
                }
                self.resume(strand).await;
            }
            Step::GiveUp(strand) => {
                self.spare.give_up = false;
                self.store.turns.put(strand, Place::GivenUp);
                self.resume(strand).await;
            }
            Step::Drop(request) => {
                self.spare.drop = false;
                self.end(request);
                history.push(Event::Dropped { request });
            }
            Step::Expire => {
                self.spare.expiry = false;
                let alive: Vec<_> = history.record().stored.keys().cloned().collect();
                for id in alive {
                    let removed = self.store.inner.remove_all(&id, None).await;
                    assert!(removed.expect("the store itself works"));
                }
                history.observe(&*self.store.inner, None).await;
            }
            Step::End => {
                self.spare.end = false;
                // The background tasks write the times to live that are owed before.
                for _ in 0..3 {
                    yield_now().await;
                }
                tokio::time::advance(LEFT + LEFT / 8).await;
                history.push(Event::Over);
                history.observe(&*self.store.inner, None).await;
            }
        }
    }

    /// Opens the session of a request, and runs its first strand as far as it gets.
    async fn start(&mut self, number: usize) {
        let case = self.case;
        let request = &case.requests[number];
        let claims: Vec<SessionId> = match request.claim {
            Claim::Cookie => {
                let first = case.has_session.then(|| self.first.clone());
                browser::cookie(&self.store.history.record(), first).into_iter().collect()
            }
            Claim::First => vec![self.first.clone()],
            Claim::Invented => vec![self.invented.clone()],
            Claim::InventedThenFirst => vec![self.invented.clone(), self.first.clone()],
        };
        let manager = &self.managers[number % self.managers.len()];
        let session = manager.open_any(claims.clone());
        self.store.history.push(Event::Started { request: number, claims });
        self.sessions[number] = Some(session);
        if let Some(op) = request.kept {
            let kept = self.add(number, vec![op], true);
            self.poll(kept).await;
        }
        let begun = self.strands.len();
        for ops in &request.strands {
            self.add(number, ops.clone(), false);
        }
        self.resume(begun).await;
    }

    fn add(&mut self, request: usize, ops: Vec<Op>, is_kept: bool) -> usize {
        let session = self.sessions[request].clone().expect("the request has begun");
        let (turns, history) = (self.store.turns.clone(), self.store.history.clone());
        let future = Box::pin(perform_all(session, request, ops, turns, history));
        let alarm = Arc::default();
        self.strands.push(Some(Running { future, request, alarm, is_begun: false, is_kept }));
        self.store.turns.add(request)
    }

    /// Continues a strand until it waits again. If it was the last one of its request, ends that.
    async fn resume(&mut self, number: usize) {
        if !self.poll(number).await {
            return;
        }
        let ended = self.strands[number].take().expect("it has just ended");
        let is_closing = self.store.turns.doing(number).op == Op::Reuse;
        let mut others = self.strands.iter().flatten();
        if is_closing {
            self.end(ended.request);
        } else if !others.any(|other| other.request == ended.request && !other.is_kept) {
            let closing = self.add(ended.request, vec![Op::Close, Op::Reuse], false);
            Box::pin(self.resume(closing)).await;
        }
    }

    /// Polls a strand until it waits for anything but the real store. Returns whether it has ended.
    async fn poll(&mut self, number: usize) -> bool {
        let turns = &self.store.turns;
        let strand = self.strands[number].as_mut().expect("it has not ended");
        strand.is_begun = true;
        let waker = Waker::from(strand.alarm.clone());
        poll_fn(|task| {
            strand.alarm.set_task(task.waker());
            strand.alarm.take();
            turns.set_running(Some(number));
            let poll = strand.future.as_mut().poll(&mut Context::from_waker(&waker));
            turns.set_running(None);
            match poll {
                Poll::Ready(()) => Poll::Ready(true),
                Poll::Pending if turns.place(number) == Place::Inside => Poll::Pending,
                Poll::Pending => Poll::Ready(false),
            }
        })
        .await
    }

    /// Drops a request and whatever it does.
    fn end(&mut self, request: usize) {
        for strand in &mut self.strands {
            if strand.as_ref().is_some_and(|strand| strand.request == request) {
                *strand = None;
            }
        }
        self.sessions[request] = None;
    }

    /// Lets the wait budget of every request end. Returns whether that has woken a strand.
    async fn let_time_pass(&mut self) -> bool {
        tokio::time::advance(self.managers[0].timeout() + Duration::from_millis(1)).await;
        self.strands.iter().flatten().any(|strand| !strand.is_kept && strand.alarm.is_rung())
    }

    /// Describes what has happened, for a message.
    pub(crate) fn trace(&self) -> String {
        let name = |request: usize| self.case.requests[request].name;
        let lines = self.steps.iter().map(|step| match *step {
            Step::Start(request) => format!("{} begins", name(request)),
            Step::Drop(request) => format!("{} is dropped", name(request)),
            Step::Expire => "all sessions expire".to_owned(),
            Step::End => "the absolute end comes".to_owned(),
            Step::GiveUp(strand) => {
                format!("{} gives up and repeats", name(self.store.turns.doing(strand).request))
            }
            Step::Resume(strand, place) => {
                let name = name(self.store.turns.doing(strand).request);
                match place {
                    Place::At(call, Moment::Before) => format!("{name}: {call}"),
                    Place::At(call, Moment::After) => format!("{name}: answer of {call}"),
                    _ => format!("{name} (strand {strand}) continues"),
                }
            }
        });
        lines.map(|line| format!("  {line}\n")).collect()
    }
}
