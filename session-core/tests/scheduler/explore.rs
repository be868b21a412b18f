//! Runs a case in every order on every form of storage.

use std::{sync::Arc, time::Duration};

use session_core::{Granularity, MemoryStorage};
use tokio::{runtime::Builder, task::unconstrained};

use crate::{
    facts::Facts,
    rules,
    run::{Case, Run, Setting},
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
    loop {
        // A runtime for each run, so that no background task outlives its run.
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let run = async {
            let inner = Arc::new(MemoryStorage::new());
            let (timeout, prefix) = (Duration::from_secs(1), String::new());
            let setting = Setting { form, inner, timeout, prefix };
            run_once(case, &setting, &mut every).await
        };
        count += 1;
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
}

/// Explores a case on all forms of storage. There must be at least `minimum` schedules in all, so
/// that no mistake in this test makes them fewer unnoticed.
#[track_caller]
pub(crate) fn explore(case: &Case, depth: Depth, minimum: usize) {
    let names: Vec<_> = case.requests.iter().map(|request| request.name).collect();
    let mut total = 0;
    for granularity in [Granularity::Whole, Granularity::Item] {
        for renames_by_copying in [false, true] {
            let suspends_answers = depth == Depth::CallsAndAnswers;
            let form = Form { granularity, renames_by_copying, suspends_answers };
            let count = every_schedule(case, form).unwrap_or_else(|broken| panic!("{broken}"));
            println!("{names:?} on {form:?}: {count} schedules");
            total += count;
        }
    }
    assert!(total >= minimum, "{total} schedules of {names:?}");
}
