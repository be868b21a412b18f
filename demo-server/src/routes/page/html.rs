//! Renders the page on the server.

use std::fmt::Write as _;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::status::{CurrentSession, Status, Store};
use crate::routes::escape::escape;

const PAGE: &str = include_str!("page.html");

/// Redirects browsers without scripts to the complete page.
const WITHOUT_SCRIPT: &str =
    r#"<noscript><meta http-equiv="refresh" content="0; url=/plain"></noscript>"#;

/// The extent to which the server fills in the page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// Leaves the session to the page's script.
    Blank,
    /// Includes the session.
    Complete,
}

/// Fills in the placeholders of the page. Inserted text is not searched for placeholders, so a
/// visitor's item cannot contain one.
pub(super) fn render(status: &Status, view: View) -> String {
    let mut html = String::with_capacity(2 * PAGE.len());
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").expect("every placeholder of the page ends");
        html.push_str(before);
        html.push_str(&value_of(name, status, view));
        rest = after;
    }
    html.push_str(rest);
    html
}

/// Returns the HTML for a placeholder.
fn value_of(placeholder: &str, status: &Status, view: View) -> String {
    let (session, store) = (status.session.as_ref(), &status.store);
    match placeholder {
        "id" | "left" | "life" | "store_answers" if view == View::Blank => "…".to_owned(),
        "without_script" if view == View::Blank => WITHOUT_SCRIPT.to_owned(),
        "without_script" => String::new(),
        "cookie" => status.cookie.as_deref().map_or_else(|| "none".to_owned(), escape),
        "notice" => status.notice.as_deref().map(escape).unwrap_or_default(),
        "notice_hidden" => if status.notice.is_some() { "" } else { " hidden" }.to_owned(),
        "max_age" => format_duration(status.max_age),
        "started" => started(status).format(&Rfc3339).unwrap_or_default(),
        "started_at" => {
            let (hour, minute, second) = started(status).to_hms();
            format!("{hour:02}:{minute:02}:{second:02} UTC")
        }
        "storage" => escape(&store.name),
        "store_state" => if store.answers { "" } else { " class=\"down\"" }.to_owned(),
        "store_answers" => store_answers(store).to_owned(),
        "trouble" if store.answers && store.problem.is_none() => String::new(),
        "trouble" => trouble(store),
        "id" => session.map_or_else(|| "none yet".to_owned(), |session| escape(&session.id)),
        "left" => {
            session.map_or_else(|| "–".to_owned(), |session| format_duration(session.expires_in))
        }
        "life" => match session {
            Some(_) => "left, unless you use it",
            None if store.answers => "no session: it begins with its first item",
            None => "unknown while the store does not answer",
        }
        .to_owned(),
        "end_hidden" if session.is_some_and(|session| session.ends_in.is_some()) => String::new(),
        "end_hidden" => " hidden".to_owned(),
        "end" => session.and_then(|session| session.ends_in).map(end).unwrap_or_default(),
        "elapsed" => {
            session.map_or(100, |session| elapsed_percent(session, status.max_age)).to_string()
        }
        "items" if view == View::Blank => note("…"),
        "items" => items(session),
        "keeps" => store.keeps.to_string(),
        "restart" => escape(&status.restart.say),
        "restart_command" => escape(status.restart.command.as_deref().unwrap_or_default()),
        "edit" => escape(&status.edit.say),
        "edit_hidden" => if status.edit.command.is_some() { "" } else { " hidden" }.to_owned(),
        "edit_command" => escape(status.edit.command.as_deref().unwrap_or_default()),
        unknown => unreachable!("the page has no placeholder {unknown}"),
    }
}

fn end(milliseconds: u64) -> String {
    format!("It ends in {} at the latest.", format_duration(milliseconds))
}

fn store_answers(store: &Store) -> &'static str {
    match (store.answers, &store.problem) {
        (false, _) => "does not answer",
        (true, Some(_)) => "fails",
        (true, None) => "answers",
    }
}

fn trouble(store: &Store) -> String {
    let command = store.start.as_deref().map(escape);
    let command = command.map(|command| format!(" <code>{command}</code>")).unwrap_or_default();
    let what = match &store.problem {
        Some(problem) => format!("The store {}: {}.", store_answers(store), escape(problem)),
        None => "The store does not answer.".to_owned(),
    };
    format!("<p>{what} {}{command}</p>", escape(store.help))
}

fn items(session: Option<&CurrentSession>) -> String {
    let Some(session) = session else {
        return note("nothing");
    };
    let mut rows = String::new();
    for item in &session.items {
        let (key, text) = (escape(&item.key), escape(&item.text));
        _ = write!(rows, r#"<tr><th scope="row">{key}</th><td><code>{text}</code></td></tr>"#);
    }
    if session.more > 0 {
        rows.push_str(&note(&format!("and {} more", session.more)));
    }
    rows
}

/// Returns a table row with a note instead of an item.
fn note(text: &str) -> String {
    format!(r#"<tr><td colspan="2" class="none">{text}</td></tr>"#)
}

/// Returns the elapsed part of the time to live, in percent.
fn elapsed_percent(session: &CurrentSession, max_age: u64) -> u64 {
    100 - (session.expires_in.saturating_mul(100) / max_age.max(1)).min(100)
}

fn started(status: &Status) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(status.started / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// Formats a duration with its two largest units, in the same way as the script.
fn format_duration(milliseconds: u64) -> String {
    if (1..1000).contains(&milliseconds) {
        return format!("{milliseconds} ms");
    }
    let mut seconds = milliseconds.div_ceil(1000);
    let mut parts = Vec::new();
    for (unit, length) in [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)] {
        let number = seconds / length;
        seconds %= length;
        if number > 0 && parts.len() < 2 {
            parts.push(format!("{number} {unit}"));
        }
    }
    if parts.is_empty() { "0 s".to_owned() } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::page::{status::Item, store_location::Instruction};

    fn status(session: Option<CurrentSession>) -> Status {
        Status {
            now: 0,
            started: 1_795_247_990_000,
            cookie: Some("sid".to_owned()),
            notice: None,
            max_age: 60_000,
            store: Store {
                name: "redis-hash-table".to_owned(),
                answers: true,
                keeps: true,
                problem: None,
                help: "Start one:",
                start: Some("scripts/redis".to_owned()),
            },
            session,
            restart: Instruction::new("Restart it.", "cargo run"),
            edit: Instruction { say: "Run:".to_owned(), command: None },
        }
    }

    #[test]
    fn every_placeholder_is_filled_in() {
        let page = render(&status(None), View::Complete);
        assert!(!page.contains("{{") && !page.contains("}}"));
        assert!(page.contains("none yet") && page.contains("UTC"));
        let blank = render(&status(None), View::Blank);
        assert!(!blank.contains("{{") && !blank.contains("none yet") && blank.contains("/plain"));
    }

    #[test]
    fn items_of_visitors_are_escaped() {
        let item = Item { key: "<b>".into(), text: r#""</td><script>{{cookie}}""#.into() };
        let current = CurrentSession {
            id: "abcdef…".into(),
            expires_in: 15_000,
            ends_in: Some(3_600_000),
            created: None,
            items: vec![item],
            more: 3,
        };
        let page = render(&status(Some(current)), View::Complete);
        assert!(page.contains("&lt;b&gt;"), "{page}");
        assert!(page.contains("&quot;&lt;/td&gt;&lt;script&gt;{{cookie}}&quot;"), "{page}");
        assert!(page.contains("and 3 more") && page.contains("It ends in 1 h at the latest."));
        assert!(page.contains("stroke-dashoffset=\"75\"") && page.contains(">15 s<"), "{page}");
    }

    #[test]
    fn durations_have_at_most_two_units() {
        let formatted =
            [0, 1, 999, 1001, 60_000, 61_000, 3_600_000, 90_061_000].map(format_duration);
        let expected = ["0 s", "1 ms", "999 ms", "2 s", "1 min", "1 min 1 s", "1 h", "1 d 1 h"];
        assert_eq!(formatted, expected);
    }

    #[test]
    fn the_notice_is_shown_only_if_there_is_one() {
        const HIDDEN: &str = r#"id="notice" hidden></p>"#;
        let mut status = status(None);
        assert!(render(&status, View::Blank).contains(HIDDEN));
        (status.cookie, status.notice) = (None, Some("Cookies are off.".to_owned()));
        for view in [View::Blank, View::Complete] {
            let page = render(&status, view);
            assert!(page.contains(r#"id="notice">Cookies are off.</p>"#), "{page}");
            assert!(page.contains(r#"<code id="cookie">none</code>"#), "{page}");
        }
    }

    #[test]
    fn a_store_that_is_down_is_reported_with_the_command_that_starts_it() {
        let mut status = status(None);
        status.store.answers = false;
        let page = render(&status, View::Complete);
        assert!(page.contains("does not answer") && page.contains("<code>scripts/redis</code>"));
    }

    #[test]
    fn a_store_that_fails_is_reported_with_the_reason() {
        let mut status = status(None);
        status.store.problem = Some("redis: <out of memory> (OOM)".to_owned());
        status.store.start = None;
        status.store.help = "Raise maxmemory.";
        let page = render(&status, View::Complete);
        let expected = "The store fails: redis: &lt;out of memory&gt; (OOM). Raise maxmemory.";
        assert!(page.contains(expected) && !page.contains("does not answer"), "{page}");
    }
}
