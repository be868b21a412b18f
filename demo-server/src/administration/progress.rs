//! How far long work has come, on standard error.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

/// The time between two reports.
const ON_TERMINAL: Duration = Duration::from_secs(1);
const ELSEWHERE: Duration = Duration::from_secs(10);

pub(super) struct Progress {
    is_terminal: bool,
    reported: Instant,
}

impl Progress {
    pub(super) fn start() -> Self {
        // On the same terminal as the output, the output shows how far the work is.
        let is_terminal = io::stderr().is_terminal() && !io::stdout().is_terminal();
        Self { is_terminal, reported: Instant::now() }
    }

    /// Reports, unless it has just done so.
    pub(super) fn report(&mut self, entries: usize) {
        let pause = if self.is_terminal { ON_TERMINAL } else { ELSEWHERE };
        if self.reported.elapsed() >= pause {
            self.reported = Instant::now();
            let _ = writeln!(io::stderr(), "demo-server: {entries} entries read");
        }
    }
}
