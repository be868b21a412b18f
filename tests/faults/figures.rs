//! The measurements of a fault.

use std::time::Duration;

use super::{health_probe::Sample, table};
use crate::history::record::{Answer, Event, History, Moment};

#[derive(Debug)]
pub(super) struct Figures {
    fault: &'static str,
    lasted: Duration,
    /// The longest request of the whole run.
    pub(super) longest: Duration,
    /// The longest and the median request to `/healthz` during the fault.
    pub(super) healthz: Duration,
    pub(super) typical_healthz: Duration,
    /// The median request to `/healthz` before the fault.
    pub(super) typical_healthz_before: Duration,
    /// The time from the store's return to the first success, on the slowest server.
    pub(super) back_after: Duration,
    /// Requests during the fault that needed the store.
    pub(super) requests: usize,
    pub(super) unavailable: usize,
    pub(super) cut: usize,
    /// The median time to an answer 503 in the second half of the fault, when the servers know that
    /// the store is down.
    pub(super) typical_refusal: Option<Duration>,
    refusals: Vec<Duration>,
}

impl Figures {
    pub(super) fn new(fault: &'static str, lasted: Duration) -> Self {
        let zero = Duration::ZERO;
        Self {
            fault,
            lasted,
            longest: zero,
            healthz: zero,
            typical_healthz: zero,
            typical_healthz_before: zero,
            back_after: zero,
            requests: 0,
            unavailable: 0,
            cut: 0,
            typical_refusal: None,
            refusals: Vec::new(),
        }
    }

    /// Adds the history of servers that share a store.
    pub(super) fn add(
        &mut self,
        history: &History,
        servers: usize,
        began: Duration,
        back: Duration,
    ) {
        let [began, back] = [began, back].map(|time| time.as_micros() as Moment);
        let half = began.midpoint(back);
        for event in history.events.iter().filter(|event| event.needs_the_store()) {
            self.longest = self.longest.max(latency(event));
            self.unavailable += usize::from(event.answer == Answer::Unavailable);
            self.cut += usize::from(matches!(event.answer, Answer::Cut(_)));
            self.requests += usize::from((began..back).contains(&event.sent));
            if event.answer == Answer::Unavailable && (half..back).contains(&event.sent) {
                self.refusals.push(latency(event));
            }
        }
        self.refusals.sort();
        self.typical_refusal = median(&self.refusals);
        for node in 0..servers {
            let is_success = |event: &&Event| {
                let is_here = event.node == node && event.needs_the_store();
                is_here && !event.is_uncertain() && event.answered >= back
            };
            let first = history.events.iter().filter(is_success).map(|event| event.answered).min();
            let first = first.expect("every server answers successfully in the end");
            self.back_after = self.back_after.max(Duration::from_micros(first - back));
        }
    }

    pub(super) fn health(&mut self, samples: &[Sample], began: Duration, back: Duration) {
        let times = |is_selected: &dyn Fn(Duration) -> bool| {
            let selected = samples.iter().filter(|sample| is_selected(sample.requested));
            let mut times: Vec<Duration> = selected.map(|sample| sample.latency).collect();
            times.sort();
            times
        };
        let during = times(&|requested| (began..back).contains(&requested));
        self.healthz = during.last().copied().unwrap_or_default();
        self.typical_healthz = median(&during).unwrap_or_default();
        self.typical_healthz_before =
            median(&times(&|requested| requested < began)).unwrap_or_default();
    }

    /// Prints the figures, and writes them into the documentation if `RELIABILITY_TABLE` is set.
    pub(super) fn report(&self) {
        let row = self.row();
        println!("{row}");
        table::set_row("faults", self.fault, &row);
    }

    fn row(&self) -> String {
        let milliseconds = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
        let refusal = self
            .typical_refusal
            .map_or("-".to_owned(), |time| format!("{:.1} ms", time.as_secs_f64() * 1000.0));
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} | {refusal} |",
            self.fault,
            milliseconds(self.lasted),
            milliseconds(self.longest),
            milliseconds(self.healthz),
            milliseconds(self.back_after),
            self.requests,
            self.unavailable,
            self.cut,
        )
    }
}

fn median(sorted: &[Duration]) -> Option<Duration> {
    sorted.get(sorted.len() / 2).copied()
}

fn latency(event: &Event) -> Duration {
    Duration::from_micros(event.answered - event.sent)
}
