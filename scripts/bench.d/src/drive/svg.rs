//! Renders the results as a picture.

use std::fmt::Write;

use crate::{
    comparison::Case,
    plan::{Comparison, Results},
    server::{Name, Route},
    table::{bytes, micros},
    writes::{SERVERS, Writes},
};

const WIDTH: f64 = 900.0;
const LABELS: f64 = 190.0;
const BAR: f64 = 18.0;
const HEADING: f64 = 34.0;
const CHART: f64 = 260.0;

/// Draws processor time per request as bars and, if measured, over the size of the session.
pub(crate) fn picture(results: &Results) -> String {
    let mut canvas = Canvas { body: String::new(), height: 16.0 };
    canvas.bars(&results.main);
    for route in [Route::Item, Route::Set] {
        if !results.sizes.is_empty() {
            let title = format!("{}: {COST} over session size", route.title());
            let axis = Axis { number: |case| case.conditions.sessions.bytes, label: bytes };
            canvas.lines(&title, &results.sizes, route, Name::OURS, axis);
        }
    }
    if let Some(writes) = &results.writes {
        canvas.writers(writes);
    }
    canvas.finish()
}

/// Draws processor time over the number of writers of one session.
pub(crate) fn writers(results: &Writes) -> String {
    let mut canvas = Canvas { body: String::new(), height: 16.0 };
    canvas.writers(results);
    canvas.finish()
}

const COST: &str = "µs of processor time (server + Redis)";

/// The horizontal axis of a chart, logarithmic.
#[derive(Clone, Copy)]
struct Axis {
    number: fn(&Comparison) -> usize,
    label: fn(usize) -> String,
}

struct Canvas {
    body: String,
    height: f64,
}

impl Canvas {
    fn finish(self) -> String {
        let Self { body, height } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" \
         font-family=\"system-ui, sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}</svg>\n"
        )
    }

    fn writers(&mut self, results: &Writes) {
        let title = format!("{}: {COST} over the writers of one session", Route::Set.title());
        let axis = Axis { number: |case| case.conditions.connections, label: |n| n.to_string() };
        self.lines(&title, &results.writers, Route::Set, &SERVERS, axis);
    }

    fn bars(&mut self, comparison: &Comparison) {
        let longest = comparison.outcomes.iter().map(|outcome| outcome.cost()).fold(1.0, f64::max);
        let scale = (WIDTH - LABELS - 200.0) / longest;
        for &route in Route::ALL {
            self.heading(&format!("{}: µs of processor time per request", route.title()));
            for outcome in comparison.outcomes.iter().filter(|outcome| outcome.case.route == route)
            {
                let (server, redis) = (outcome.cpu.median(), outcome.redis_cpu.median());
                let y = self.height;
                self.text(LABELS - 8.0, y + 13.0, "end", outcome.case.server.title());
                self.rect(LABELS, y, server * scale, color(outcome.case.server), 1.0);
                let end = LABELS + server * scale;
                self.rect(end, y, redis * scale, color(outcome.case.server), 0.35);
                let redis_too = if redis < 0.05 { String::new() } else { format!(" + {redis:.1}") };
                let label =
                    format!("{server:.1}{redis_too} · {:.2} of bare", outcome.relative.median());
                self.text(end + redis * scale + 6.0, y + 13.0, "start", &label);
                self.height += BAR;
            }
            self.height += 8.0;
        }
        let note = "dark: the server, light: Redis; requests per second as a part of actix-web's";
        self.text(LABELS, self.height + 12.0, "start", note);
        self.height += 28.0;
    }

    /// Draws a chart with two logarithmic axes.
    fn lines(
        &mut self,
        title: &str,
        comparisons: &[Comparison],
        route: Route,
        servers: &[Name],
        axis: Axis,
    ) {
        self.heading(title);
        let size = |comparison: &Comparison| ((axis.number)(comparison) as f64).log10();
        let (first, last) = (size(&comparisons[0]), size(&comparisons[comparisons.len() - 1]));
        let cost = |comparison: &Comparison, server| {
            let case = Case { server, route };
            let outcome = comparison.outcomes.iter().find(|outcome| outcome.case == case);
            outcome.map_or(1.0, |outcome| outcome.cost().max(1.0)).log10()
        };
        let highest = comparisons
            .iter()
            .flat_map(|comparison| servers.iter().map(move |&server| cost(comparison, server)))
            .fold(1.0, f64::max)
            .ceil();
        let top = self.height;
        let right = WIDTH - 190.0;
        let x = |comparison: &Comparison| {
            60.0 + (size(comparison) - first) / (last - first) * (right - 60.0)
        };
        let y = |cost: f64| top + CHART - cost / highest * CHART;
        for power in 0..=highest as i32 {
            let level = y(f64::from(power));
            self.line(&[(60.0, level), (right, level)], "#ddd", 1.0);
            self.text(54.0, level + 4.0, "end", &micros(10f64.powi(power)));
        }
        for comparison in comparisons {
            self.text(
                x(comparison),
                top + CHART + 18.0,
                "middle",
                &(axis.label)((axis.number)(comparison)),
            );
        }
        // Labels that would overlap are moved apart.
        let mut ends: Vec<(f64, Name)> = servers
            .iter()
            .map(|&server| (y(cost(&comparisons[comparisons.len() - 1], server)), server))
            .collect();
        ends.sort_by(|one, other| one.0.total_cmp(&other.0));
        let mut free = f64::MIN;
        for (level, server) in ends {
            let points: Vec<(f64, f64)> = comparisons
                .iter()
                .map(|comparison| (x(comparison), y(cost(comparison, server))))
                .collect();
            self.line(&points, color(server), 2.0);
            let level = level.max(free);
            self.text(right + 8.0, level + 4.0, "start", server.title());
            free = level + 14.0;
        }
        self.height += CHART + 36.0;
    }

    fn heading(&mut self, text: &str) {
        let y = self.height + 18.0;
        self.push(format_args!(
            "<text x=\"16\" y=\"{y:.1}\" font-size=\"15\" font-weight=\"600\" fill=\"#111\">{text}</text>"
        ));
        self.height += HEADING;
    }

    fn text(&mut self, x: f64, y: f64, anchor: &str, text: &str) {
        self.push(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#333\">{text}</text>"
        ));
    }

    fn rect(&mut self, x: f64, y: f64, width: f64, color: &str, opacity: f64) {
        let height = BAR - 4.0;
        self.push(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height}\" \
             fill=\"{color}\" fill-opacity=\"{opacity}\"/>"
        ));
    }

    fn line(&mut self, points: &[(f64, f64)], color: &str, width: f64) {
        let points: Vec<String> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let points = points.join(" ");
        self.push(format_args!(
            "<polyline points=\"{points}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"{width}\"/>"
        ));
    }

    fn push(&mut self, element: std::fmt::Arguments<'_>) {
        writeln!(self.body, "{element}").expect("writing to a String never fails");
    }
}

fn color(server: Name) -> &'static str {
    match server {
        Name::BARE => "#444",
        Name::MEMORY => "#2a9d8f",
        Name::FILE => "#8ab17d",
        Name::KEY_VALUE => "#1d6fb8",
        Name::KEY_VALUE_NEAR_CACHE => "#5ba4e6",
        Name::HASH => "#7b4fb5",
        _ => "#e07a3f",
    }
}
