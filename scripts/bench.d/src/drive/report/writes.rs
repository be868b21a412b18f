//! Renders the writes, to many sessions and to one.

use super::find;
use crate::{
    comparison::{Case, Outcome},
    plan::Comparison,
    server::{Name, Route},
    table::{Table, figure, micros},
    writes::{SERVERS, Writes},
};

const ABOUT: &str = "\
Requests that write one item, relative to actix-web alone in the same round; 1 worker, 32
connections, sessions of 100 bytes. With *one session* all connections write to it. *In two
processes*, two of each server share it, actix-web alone too, with 16 connections each at the same
time: within a process the requests are written together, between processes they compete. Valkey
8.1 compares and sets by a command of its own. actix-session loses updates.
";

const WRITERS: &str = "\
Processor time of the server and Redis per request, in microseconds, and requests relative to
actix-web alone, over the number of connections that write to one session.
";

/// Returns the section.
pub(super) fn section(results: &Writes) -> String {
    let kinds = [Some(&results.redis), results.valkey.as_ref()];
    let mut columns = vec!["storage", "one session", "in two processes", "1,000 sessions"];
    if results.valkey.is_some() {
        columns.extend(["one session, Valkey", "in two processes, Valkey"]);
        columns.push("1,000 sessions, Valkey");
    }
    let mut table = Table::new(&columns);
    for server in SERVERS {
        let cells = kinds.iter().flatten().flat_map(|writes| &writes.comparisons);
        let cells = cells.map(|comparison| outcome(comparison, server).map_or(String::new(), cell));
        table.row([server.title().to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
    }
    let mut page = format!("\n## Writes\n\n{ABOUT}\n{}", table.finish());
    page += &format!("\n### Over the number of writers\n\n{WRITERS}\n");
    let numbers = results.writers.iter().map(|comparison| comparison.conditions.connections);
    let columns: Vec<String> =
        ["storage".to_owned()].into_iter().chain(numbers.map(|n| n.to_string())).collect();
    let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for server in SERVERS {
        let cells = results.writers.iter().map(|comparison| {
            let outcome = outcome(comparison, server).expect("it was measured");
            format!("{} · {:.2}", micros(outcome.cost()), outcome.relative.median())
        });
        table.row([server.title().to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
    }
    page + &table.finish()
}

/// Returns nothing for a server that was not measured under these conditions.
fn outcome(comparison: &Comparison, server: Name) -> Option<&Outcome> {
    find(comparison, Case { server, route: Route::Set })
}

fn cell(outcome: &Outcome) -> String {
    let relative = figure(&outcome.relative, 2);
    match outcome.failed {
        ..=0.0 => relative,
        failed => format!("{relative} ({:.1} % failed)", failed * 100.0),
    }
}
