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
connections, sessions of 100 bytes. With *one session* all connections write to it. Valkey 8.1
compares and sets by a command of its own. actix-session loses updates.
";

const WRITERS: &str = "\
Processor time of the server and Redis per request, in microseconds, and requests relative to
actix-web alone, over the number of connections that write to one session.
";

/// Returns the section.
pub(super) fn section(results: &Writes) -> String {
    let kinds = [Some(&results.redis), results.valkey.as_ref()];
    let mut columns = vec!["storage", "one session", "1,000 sessions"];
    if results.valkey.is_some() {
        columns.extend(["one session, Valkey", "1,000 sessions, Valkey"]);
    }
    let mut table = Table::new(&columns);
    for server in SERVERS {
        let cells = kinds.iter().flatten().flat_map(|writes| &writes.comparisons);
        let cells = cells.map(|comparison| figure(&outcome(comparison, server).relative, 2));
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
            let outcome = outcome(comparison, server);
            format!("{} · {:.2}", micros(outcome.cost()), outcome.relative.median())
        });
        table.row([server.title().to_owned()].into_iter().chain(cells).collect::<Vec<_>>());
    }
    page + &table.finish()
}

fn outcome(comparison: &Comparison, server: Name) -> &Outcome {
    find(comparison, Case { server, route: Route::Set }).expect("it was measured")
}
