//! Runs a case in every order on every form of storage.

use std::{sync::Arc, time::Duration};

use session_core::{Granularity, MemoryStorage};
use tokio::{runtime::Builder, task::unconstrained};

use crate::{
    case::{Case, Setting},
    facts::Facts,
    request::Op,
    rules,
    run::Run,
    schedule::{Choices, Every},
    store::Form,
};

/// Runs a case once, and returns the broken rules with what has happened.
pub(crate) async fn run_once(
    case: &Case,
    setting: &Setting,
    choices: &mut dyn Choices,
) -> Option<String> {
    let mut run = Run::new(case, setting, choices).await;
    run.finish().await;
    let (history, first) = (run.history(), run.first().clone());
    let record = history.record();
    let is_whole = setting.form.granularity == Granularity::Whole;
    let facts = Facts { case, record: &record, first: &first, is_whole };
    let broken = rules::broken(&facts);
    let events = || record.events.iter().map(|event| format!("  {event:?}\n")).collect::<String>();
    let told = || format!("{:?}\n{}\n{}", setting.form, run.trace(), events());
    (!broken.is_empty()).then(|| format!("{}\non {}", broken.join("\n"), told()))
}

/// Explores every schedule of a case on one form of storage. Returns how many there are.
fn every_schedule(case: &Case, form: Form) -> Result<usize, String> {
    let (mut every, mut count) = (Every::default(), 0);
    let inner = Arc::new(MemoryStorage::new());
    loop {
        count += 1;
        // A runtime for each run, so that no background task outlives its run.
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let run = async {
            let (timeout, suffix) = (Duration::from_secs(1), format!("of-schedule-{count}"));
            let setting = Setting { form, inner: inner.clone(), timeout, suffix };
            run_once(case, &setting, &mut every).await
        };
        if let Some(broken) = runtime.expect("a runtime").block_on(unconstrained(run)) {
            return Err(format!("schedule {count} breaks:\n{broken}"));
        }
        if !every.advance() {
            return Ok(count);
        }
    }
}

/// How closely a case is explored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// A request waits before each call and for each answer.
    CallsAndAnswers,
    /// A request waits before each call. For cases with too many orders otherwise.
    Calls,
    /// Like `Calls`, without the provided methods that take several steps. For cases with too many
    /// orders even then.
    AtomicCalls,
    /// Like `CallsAndAnswers`, without the provided methods that take several steps.
    AtomicCallsAndAnswers,
}

/// Explores a case on all forms of storage. There must be at least `minimum` schedules in all, so
/// that no mistake in this test makes them fewer unnoticed.
#[track_caller]
pub(crate) fn explore(case: &Case, depth: Depth, minimum: usize) {
    use Depth::{AtomicCalls, AtomicCallsAndAnswers, CallsAndAnswers};
    let names: Vec<_> = case.requests.iter().map(|request| request.name).collect();
    let has_steps = |op| matches!(op, Op::Login | Op::Count(_) | Op::Take(_));
    let has_steps = case.renews || case.requests.iter().any(|request| request.does(has_steps));
    let is_atomic = !has_steps || matches!(depth, AtomicCalls | AtomicCallsAndAnswers);
    let suspends_answers = matches!(depth, CallsAndAnswers | AtomicCallsAndAnswers);
    let mut counts = Vec::new();
    for granularity in [Granularity::Whole, Granularity::Item] {
        for renames_by_copying in [false, true].into_iter().take(2 - usize::from(is_atomic)) {
            let form = Form { granularity, renames_by_copying, suspends_answers };
            let count = every_schedule(case, form).unwrap_or_else(|broken| panic!("{broken}"));
            counts.push(count);
        }
    }
    let total: usize = counts.iter().sum();
    println!("{names:?} by {depth:?}: {counts:?}, {total} schedules");
    assert!(total >= minimum, "{total} schedules of {names:?}");
}
