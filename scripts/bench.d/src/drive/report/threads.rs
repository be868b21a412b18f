//! Renders the reads in many threads.

use crate::{
    machine,
    table::{Table, figure},
    threads::{COUNTS, Cell, Threads},
};

const ABOUT: &str = "\
Requests to the manager, without HTTP: each opens a session of 100 bytes from the id that a client
claims, reads one item, and closes the session. Every thread has a current-thread runtime, as the
workers of actix-web have, and a handle of the manager. The sessions are in memory, or in the near
cache; no time to live is written meanwhile. In a cell: thousands of requests per second of all
threads together · nanoseconds of processor time of the threads per request. Where 1 % of the
requests or more had to wait for the store, the cell says so. The more sessions there are, the less
of them the processor's caches hold, which costs time in the last columns as well.
";

/// Returns the section.
pub(super) fn section(results: &Threads) -> String {
    let threads = COUNTS.map(|count| match count {
        1 => "1 thread".to_owned(),
        count => format!("{count} threads"),
    });
    let columns = ["storage, sessions"].into_iter().chain(threads.iter().map(String::as_str));
    let mut table = Table::new(&columns.collect::<Vec<_>>());
    for (row, cells) in &results.rows {
        let title = format!("{}, {}", row.storage.title(), row.sessions.title());
        table.row([title].into_iter().chain(cells.iter().map(text)).collect::<Vec<_>>());
    }
    format!("\n## Threads\n\n{ABOUT}\n{}\n{}", table.finish(), limits())
}

/// Returns what the columns with many threads can show on this machine.
fn limits() -> String {
    let cores = machine::cores();
    format!(
        "This machine has {cores} cores, so at most {cores} threads run at the same time. With \
         more threads than cores, a cell shows only what it costs when a thread is interrupted \
         while it holds a lock. It does not show what it costs when more cores write to the same \
         cache lines.\n"
    )
}

fn text(cell: &Cell) -> String {
    let Cell { rate, cpu, waited } = cell;
    let (rate, cpu) = (figure(&rate.divided_by(1e3), 0), figure(cpu, 0));
    let waited = match waited.median() {
        ..0.01 => String::new(),
        waited => format!(" ({:.0} % waited)", waited * 100.0),
    };
    format!("{rate} · {cpu}{waited}")
}
