//! What is measured.

use std::time::Duration;

use super::{run::Window, table};
use crate::history::record::{Answer, History};

#[derive(Debug)]
pub(super) struct Figures {
    name: String,
    times: usize,
    requests: usize,
    pub(super) errors: usize,
    pub(super) longest: Duration,
    /// Acknowledged writes that are lost.
    pub(super) lost: usize,
    /// From a death to the promotion, the longest time.
    promotion: Option<Duration>,
    /// From the first error to the last one of one death, the longest time.
    errors_lasted: Duration,
}

impl Figures {
    pub(super) fn of(name: String, times: usize) -> Self {
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

    pub(super) fn add(&mut self, history: &History, windows: &[Window]) {
        let time = |moment| Duration::from_micros(moment);
        let is_error = |answer: &Answer| *answer == Answer::Unsure;
        for event in history.events.iter().filter(|event| event.needs_the_store()) {
            self.requests += 1;
            self.errors += usize::from(is_error(&event.answer));
            self.longest = self.longest.max(time(event.answered - event.sent));
        }
        self.promotion = windows.iter().map(|window| window.promoted - window.killed).max();
        for (place, window) in windows.iter().enumerate() {
            let end = windows.get(place + 1).map_or(Duration::MAX, |next| next.began);
            let errors = history.events.iter().filter(|event| is_error(&event.answer));
            let times = errors.map(|event| time(event.answered));
            let times: Vec<_> = times.filter(|at| (window.began..end).contains(at)).collect();
            if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
                self.errors_lasted = self.errors_lasted.max(*last - *first);
            }
        }
    }

    /// Prints the figures, and puts them into the documents if that is asked for.
    pub(super) fn tell(&self) {
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
        table::put("failovers", &self.name, &row);
    }
}
