//! Renders the results as a page.

mod at_rest;
mod threads;
mod writes;

use std::fmt::Write;

use crate::{
    against::{self, Against},
    at_rest::AtRest,
    comparison::{Case, Outcome},
    machine,
    plan::{Comparison, Profile, Results, TARGETS},
    server::{Name, Route},
    table::{Table, bytes, figure, micros},
    threads::Threads,
    writes::Writes,
};

const METHOD: &str = "\
Every server has the same routes, which do the same work on one small JSON item or on the whole
session. Each is written as in its own documentation, and is checked before it is measured. All use
the plain release profile and the system's allocator. They run on one machine with wrk and, if they
need it, one Redis without persistence. Within a round the servers take turns. The figures are
medians over the rounds, and ± is half the distance from the smallest to the largest value.

Requests per second depend on other load on the processors, so they are given relative to actix-web
alone in the same round (*of bare*). The figure that counts is *CPU*: microseconds of processor time
per request, of the server and of Redis, as counted by the kernel. *over bare* is the server's
processor time beyond that of actix-web alone.

actix-session and tower-sessions write the whole session, and the last writer wins. This project
compares and sets (key-value) or writes the item under a condition (hash), so that no update is
lost. That is part of the cost of a write here.
";

pub(crate) fn markdown(profile: &Profile, results: &Results) -> String {
    let mut page = introduction(profile.name);
    page += "![Processor time per request](benchmarks.svg)\n\n";
    page += "## Targets\n\n";
    page += &about(&results.main);
    page += &targets(results);
    page += "\n[Where the time goes](PROFILES.md) explains the missed targets.\n";
    page += "\n## Side by side\n\n";
    page += &side_by_side(&results.main);
    for comparison in &results.variations {
        write!(page, "\n## With {}\n\n", comparison.title)
            .expect("writing to a String never fails");
        page += &about(comparison);
        page += &side_by_side(comparison);
    }
    if !results.sizes.is_empty() {
        page += "\n## Size of a session\n\n";
        page += "CPU of server + Redis per request, in microseconds, over the size of the whole \
                 session; one worker, four connections.\n";
        for route in [Route::Item, Route::Set, Route::Whole] {
            write!(page, "\n### {}\n\n", heading(route)).expect("writing to a String never fails");
            page += &sizes(&results.sizes, route);
        }
        page += &crossover(&results.sizes);
    }
    if !results.interference.is_empty() {
        page += "\n## Small reads beside large ones\n\n";
        page += "Latency in milliseconds of reads of one small item on eight connections, alone \
                 and beside one client that reads whole sessions of 10 MB from the same \
                 worker.\n\n";
        page += &interference(results);
    }
    page += "\n## Allocations and commands\n\n";
    page += "Memory allocations of the server and commands to Redis per request, for sequential \
             requests on a session of 100 bytes.\n\n";
    page += &counts(results);
    if let Some(results) = &results.writes {
        page += &writes::section(results);
    }
    if let Some(results) = &results.at_rest {
        page += &at_rest::section(results);
    }
    if let Some(results) = &results.threads {
        page += &threads::section(results);
    }
    page
}

/// Returns a page with the section about hashed ids and encrypted items alone.
pub(crate) fn at_rest_alone(results: &AtRest) -> String {
    introduction("at-rest").trim_end().to_owned() + "\n" + &at_rest::section(results)
}

/// Returns a page with the section about writes alone.
pub(crate) fn writes_alone(results: &Writes) -> String {
    let picture = "![Processor time over the number of writers](benchmarks.svg)\n";
    introduction("writes") + picture + &writes::section(results)
}

/// Returns a page with the section about reads in many threads alone.
pub(crate) fn threads_alone(results: &Threads) -> String {
    heading_of("threads") + &threads::section(results)
}

/// Returns a page with the storages beside those of another commit.
pub(crate) fn against(results: &Against) -> String {
    let comparison = &results.comparison;
    let mut page = introduction("against COMMIT") + &about(comparison);
    page += "*before* and *after* are the server's processor time per request, in microseconds; the \
             allocations and commands are per request, counted in sequential ones.\n\n";
    let mut table = Table::new(&[
        "storage",
        "route",
        "before",
        "after",
        "more",
        "requests/s of before",
        "allocations",
        "commands",
    ]);
    let ours = |outcome: &&Outcome| Name::OURS.contains(&outcome.case.server);
    for outcome in comparison.outcomes.iter().filter(ours) {
        let before = against::before(&outcome.case);
        let cpu = &find(comparison, before).expect("it was measured").cpu;
        let count = |case| {
            let count = results.counts.iter().find(|count| count.case == case);
            count.expect("it was counted")
        };
        let (old, new) = (count(before), count(outcome.case));
        table.row([
            outcome.case.server.title().to_owned(),
            outcome.case.route.title().to_owned(),
            figure(cpu, 2),
            figure(&outcome.cpu, 2),
            figure(&outcome.over, 2),
            figure(&outcome.relative, 2),
            format!("{:.1} → {:.1}", old.allocations, new.allocations),
            format!("{:.2} → {:.2}", old.commands, new.commands),
        ]);
    }
    page + &table.finish()
}

fn introduction(profile: &str) -> String {
    format!("{}\n{METHOD}\n", heading_of(profile))
}

/// Returns the title, and which machine and programs the page is about.
fn heading_of(profile: &str) -> String {
    let command = match profile {
        "full" => "scripts/bench".to_owned(),
        name => format!("scripts/bench --{name}"),
    };
    let [machine, programs, crates] = machine::describe();
    let made = format!("Made by `{command}` on: {machine}. {programs}; {crates}.");
    format!("# Benchmarks\n\n{made}\n")
}

fn about(comparison: &Comparison) -> String {
    let conditions = comparison.conditions;
    let plural = |count, word| format!("{count} {word}{}", if count == 1 { "" } else { "s" });
    format!(
        "{}, {}, {} of {}.\n\n",
        plural(conditions.workers, "worker"),
        plural(conditions.connections, "connection"),
        plural(conditions.sessions.count, "session"),
        bytes(conditions.sessions.bytes),
    )
}

fn targets(results: &Results) -> String {
    let mut table = Table::new(&[
        "route, storage",
        "rps of bare",
        "at least",
        "CPU over bare",
        "at most",
        "allocations",
        "at most",
        "actix-session",
        "tower-sessions",
    ]);
    for target in TARGETS {
        let Some(outcome) = find(&results.main, target.case) else { continue };
        let peer = |server| {
            let peer = find(&results.main, Case { server, ..target.case });
            peer.map_or_else(String::new, |peer| format!("{:.2}", peer.relative.median()))
        };
        let limit = |limit: Option<f64>| limit.map_or_else(String::new, |limit| limit.to_string());
        table.row([
            target.title.to_owned(),
            figure(&outcome.relative, 2),
            format!("{:.2}", target.relative),
            figure(&outcome.over, 2),
            limit(target.over_bare),
            allocations(results, target.case),
            limit(target.allocations),
            peer(Name::ACTIX_SESSION),
            peer(Name::TOWER_SESSIONS),
        ]);
    }
    table.finish()
}

fn side_by_side(comparison: &Comparison) -> String {
    let mut page = String::new();
    for &route in Route::ALL {
        write!(page, "\n### {}\n\n", heading(route)).expect("writing to a String never fails");
        let mut table = Table::new(&[
            "server",
            "requests/s",
            "of bare",
            "CPU",
            "over bare",
            "CPU of Redis",
            "executed by Redis",
            "p50 ms",
            "p99 ms",
        ]);
        for outcome in comparison.outcomes.iter().filter(|outcome| outcome.case.route == route) {
            table.row([
                title(outcome),
                format!("{:.0}", outcome.rate.median()),
                figure(&outcome.relative, 2),
                figure(&outcome.cpu, 2),
                figure(&outcome.over, 2),
                format!("{:.2}", outcome.redis_cpu.median()),
                format!("{:.2}", outcome.executed.median()),
                format!("{:.2}", outcome.p50.median() / 1e3),
                format!("{:.2}", outcome.p99.median() / 1e3),
            ]);
        }
        page += &table.finish();
    }
    page
}

fn sizes(comparisons: &[Comparison], route: Route) -> String {
    let columns = comparisons.iter().map(|comparison| bytes(comparison.conditions.sessions.bytes));
    let columns: Vec<String> = std::iter::once("storage".to_owned()).chain(columns).collect();
    let mut table = Table::new(&columns.iter().map(String::as_str).collect::<Vec<_>>());
    for &server in Name::OURS {
        let case = Case { server, route };
        let cell = |comparison: &Comparison| find(comparison, case).map_or_else(String::new, cost);
        let cells: Vec<String> = std::iter::once(server.title().to_owned())
            .chain(comparisons.iter().map(cell))
            .collect();
        table.row(cells);
    }
    table.finish()
}

fn cost(outcome: &Outcome) -> String {
    let cost = micros(outcome.cost());
    if outcome.failed > 0.0 {
        format!("{cost} ({:.0} % failed)", outcome.failed * 100.0)
    } else {
        cost
    }
}

/// Returns the size from which the hash table is cheaper than key-value.
fn crossover(comparisons: &[Comparison]) -> String {
    let mut text = String::new();
    for route in [Route::Item, Route::Set, Route::Whole] {
        let cheaper = |comparison: &&Comparison| {
            let cost = |server| find(comparison, Case { server, route }).map(Outcome::cost);
            cost(Name::HASH).zip(cost(Name::KEY_VALUE)).is_some_and(|(hash, text)| hash <= text)
        };
        // The smallest size from which all larger sizes are cheaper as well.
        let from = comparisons.iter().rev().take_while(cheaper).last();
        let from = from.map_or_else(
            || "at no size measured".to_owned(),
            |comparison| format!("from {}", bytes(comparison.conditions.sessions.bytes)),
        );
        write!(text, "\nTo {}, the hash table is cheaper than key-value {from}.\n", route.title())
            .expect("writing to a String never fails");
    }
    text
}

fn interference(results: &Results) -> String {
    let mut table = Table::new(&["storage", "alone p50", "alone p99", "beside p50", "beside p99"]);
    let millis = |micros: f64| format!("{:.2}", micros / 1e3);
    for result in &results.interference {
        table.row([
            result.storage.title().to_owned(),
            millis(result.alone.p50),
            millis(result.alone.p99),
            millis(result.disturbed.p50),
            millis(result.disturbed.p99),
        ]);
    }
    table.finish()
}

fn counts(results: &Results) -> String {
    let mut table = Table::new(&["server", "route", "allocations", "commands"]);
    for count in &results.counts {
        table.row([
            count.case.server.title().to_owned(),
            count.case.route.title().to_owned(),
            format!("{:.1}", count.allocations),
            format!("{:.2}", count.commands),
        ]);
    }
    table.finish()
}

fn allocations(results: &Results, case: Case) -> String {
    let count = results.counts.iter().find(|count| count.case == case);
    count.map_or_else(String::new, |count| format!("{:.1}", count.allocations))
}

fn title(outcome: &Outcome) -> String {
    let title = outcome.case.server.title();
    if outcome.failed > 0.0 {
        return format!("{title} ({:.1} % failed)", outcome.failed * 100.0);
    }
    title.to_owned()
}

fn heading(route: Route) -> String {
    let title = route.title();
    title[..1].to_uppercase() + &title[1..]
}

fn find(comparison: &Comparison, case: Case) -> Option<&Outcome> {
    comparison.outcomes.iter().find(|outcome| outcome.case == case)
}
