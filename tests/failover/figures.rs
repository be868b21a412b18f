//! The measurements of a run.

use std::time::Duration;

use super::{outage::Outage, table};
use crate::history::record::{Answer, History};

#[derive(Debug)]
pub(super) struct Figures {
    name: String,
    times: usize,
    requests: usize,
    pub(super) errors: usize,
    pub(super) longest: Duration,
    /// Lost acknowledged writes.
    pub(super) lost: usize,
    /// The longest time from a kill to the promotion.
    promotion: Option<Duration>,
    /// The longest time from the first to the last error of an outage.
    errors_lasted: Duration,
}

impl Figures {
    pub(super) fn new(name: String, times: usize) -> Self {
        let zero = Duration::ZERO;
        Self {
            name,
            times,
            requests: 0,
            errors: 0,
            longest: zero,
            lost: 0,
            promotion: None,
            errors_lasted: zero,
        }
    }

    pub(super) fn add(&mut self, history: &History, outages: &[Outage]) {
        let time = |moment| Duration::from_micros(moment);
        let is_error = |answer: &Answer| *answer == Answer::Unavailable;
        for event in history.events.iter().filter(|event| event.needs_the_store()) {
            self.requests += 1;
            self.errors += usize::from(is_error(&event.answer));
            self.longest = self.longest.max(time(event.answered - event.decided()));
        }
        self.promotion = outages.iter().map(|outage| outage.promoted - outage.killed).max();
        for (index, outage) in outages.iter().enumerate() {
            let end = outages.get(index + 1).map_or(Duration::MAX, |next| next.began);
            let errors = history.events.iter().filter(|event| is_error(&event.answer));
            let times = errors.map(|event| time(event.answered));
            let times: Vec<_> = times.filter(|at| (outage.began..end).contains(at)).collect();
            if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
                self.errors_lasted = self.errors_lasted.max(*last - *first);
            }
        }
    }

    /// Prints the figures, and writes them into the documentation if `RELIABILITY_TABLE` is set.
    pub(super) fn report(&self) {
        let milliseconds = |time: Duration| format!("{:.0} ms", time.as_secs_f64() * 1000.0);
        let row = format!(
            "| {} | {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            self.times,
            self.promotion.map_or("-".to_owned(), milliseconds),
            if self.errors > 0 { milliseconds(self.errors_lasted) } else { "-".to_owned() },
            self.requests,
            self.errors,
            milliseconds(self.longest),
            self.lost,
        );
        println!("{row}");
        table::set_row("failovers", &self.name, &row);
    }
}
