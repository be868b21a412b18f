//! What is measured of a fault.

use std::time::Duration;

use super::{health::Beat, table};
use crate::history::record::{Answer, Event, History, Moment};

#[derive(Debug)]
pub(super) struct Figures {
    fault: &'static str,
    lasted: Duration,
    /// The longest time any request took, the whole run through.
    pub(super) longest: Duration,
    /// The longest and the typical time a request took that does not use the session, while the
    /// fault lasted.
    pub(super) healthz: Duration,
    pub(super) typical_healthz: Duration,
    /// The typical time before.
    pub(super) typical_healthz_before: Duration,
    /// From the store's return to a good answer, on the server where that took longest.
    pub(super) back_after: Duration,
    /// Requests that needed the store, while the fault lasted.
    requests: usize,
    pub(super) unavailable: usize,
    pub(super) cut: usize,
    /// The typical time to 503 in the second half, when the store is known to be down.
    pub(super) typical_refusal: Option<Duration>,
    refusals: Vec<Duration>,
}

impl Figures {
    pub(super) fn of(fault: &'static str, lasted: Duration) -> Self {
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

    /// Adds the history of servers that share their sessions.
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
            self.longest = self.longest.max(took(event));
            self.unavailable += usize::from(event.answer == Answer::Unsure);
            self.cut += usize::from(matches!(event.answer, Answer::Cut(_)));
            self.requests += usize::from((began..back).contains(&event.sent));
            if event.answer == Answer::Unsure && (half..back).contains(&event.sent) {
                self.refusals.push(took(event));
            }
        }
        self.refusals.sort();
        self.typical_refusal = median(&self.refusals);
        for node in 0..servers {
            let is_good = |event: &&Event| {
                let is_here = event.node == node && event.needs_the_store();
                is_here && !event.is_unsure() && event.answered >= back
            };
            let good = history.events.iter().filter(is_good).map(|event| event.answered).min();
            let good = good.expect("there was no good answer at all");
            self.back_after = self.back_after.max(Duration::from_micros(good - back));
        }
    }

    pub(super) fn health(&mut self, beats: &[Beat], began: Duration, back: Duration) {
        let times = |is_meant: &dyn Fn(Duration) -> bool| {
            let meant = beats.iter().filter(|beat| is_meant(beat.asked));
            let mut times: Vec<Duration> = meant.map(|beat| beat.took).collect();
            times.sort();
            times
        };
        let during = times(&|asked| (began..back).contains(&asked));
        self.healthz = during.last().copied().unwrap_or_default();
        self.typical_healthz = median(&during).unwrap_or_default();
        self.typical_healthz_before = median(&times(&|asked| asked < began)).unwrap_or_default();
    }

    /// Prints the figures, and puts them into the documents if `RELIABILITY_TABLE` is set.
    pub(super) fn tell(&self) {
        let row = self.row();
        println!("{row}");
        table::put("faults", self.fault, &row);
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

fn took(event: &Event) -> Duration {
    Duration::from_micros(event.answered - event.sent)
}
