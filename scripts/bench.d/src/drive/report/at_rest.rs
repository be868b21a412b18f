//! Renders what hashed ids and encrypted items cost.

use std::fmt::Write;

use super::find;
use crate::{
    at_rest::{AtRest, ROUTES, TARGET, TARGET_SIZE},
    comparison::Case,
    server::{Name, Route},
    table::{Table, bytes, figure},
};

const ABOUT: &str = "\
Sessions of one item: as they are stored without layers (*plain*), with `HashedIds`, with `Sealed`,
and with both. *plain* is the server's processor time per request, in microseconds; the next three
columns are what each adds to it in the same round. *of plain* is the processor time with both,
relative to plain; *of Redis*, what both add to that of Redis. 1 worker, 32 connections, 200
sessions.
";

/// Returns the section.
pub(super) fn section(results: &AtRest) -> String {
    let mut page = format!("\n## At rest\n\n{ABOUT}");
    for route in ROUTES {
        write!(page, "\n### At rest: {}\n\n{}", route.title(), costs(results, route))
            .expect("writing to a String never fails");
    }
    page += "\n### At rest: allocations and commands\n\n";
    page += "Memory allocations of the server and commands to Redis per request, for sequential \
             requests on a session with an item of 100 bytes.\n\n";
    page += &counts(results);
    page
}

fn costs(results: &AtRest, route: Route) -> String {
    let mut table = Table::new(&[
        "storage, item",
        "plain",
        "hashed ids",
        "encrypted items",
        "both",
        "at most",
        "of plain",
        "of Redis",
    ]);
    for servers in Name::AT_REST {
        for comparison in &results.comparisons {
            let find = |server| find(comparison, Case { server, route }).expect("it was measured");
            let [plain, hashed, encrypted, both] = servers.map(find);
            let size = comparison.conditions.sessions.bytes;
            let (cpu, over) = (plain.cpu.median(), both.over.median());
            table.row([
                format!("{}, {}", servers[0].title(), bytes(size)),
                figure(&plain.cpu, 2),
                figure(&hashed.over, 2),
                figure(&encrypted.over, 2),
                figure(&both.over, 2),
                if size == TARGET_SIZE { TARGET.to_string() } else { String::new() },
                format!("{:.2}", (cpu + over) / cpu),
                format!("{:.2}", both.redis_cpu.median() - plain.redis_cpu.median()),
            ]);
        }
    }
    table.finish()
}

fn counts(results: &AtRest) -> String {
    let mut table = Table::new(&[
        "storage, route",
        "plain",
        "hashed ids",
        "encrypted items",
        "both",
        "commands, plain",
        "commands, both",
    ]);
    for servers in Name::AT_REST {
        for route in ROUTES {
            let count = |server| {
                let case = Case { server, route };
                let count = results.counts.iter().find(|count| count.case == case);
                count.expect("it was counted")
            };
            let counts = servers.map(count);
            let allocations = counts.map(|count| format!("{:.1}", count.allocations));
            let commands = [counts[0], counts[3]].map(|count| format!("{:.2}", count.commands));
            let name = format!("{}, {}", servers[0].title(), route.title());
            table.row([&[name], &allocations[..], &commands[..]].concat());
        }
    }
    table.finish()
}
