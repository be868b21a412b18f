//! The page as the server renders it.

use std::fmt::Write as _;

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::status::{Current, Status, Store};

const PAGE: &str = include_str!("page.html");

/// Leads browsers without scripts to the complete page.
const WITHOUT_SCRIPT: &str =
    r#"<noscript><meta http-equiv="refresh" content="0; url=/plain"></noscript>"#;

/// How much of the page is filled in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    /// What the script fills in is left out.
    Blank,
    Complete,
}

/// Fills in the marks of the page, each once; what is filled in is not looked at again.
pub(super) fn render(status: &Status, view: View) -> String {
    let mut html = String::with_capacity(2 * PAGE.len());
    let mut rest = PAGE;
    while let Some((before, after)) = rest.split_once("{{") {
        let (mark, after) = after.split_once("}}").expect("every mark of the page ends");
        html.push_str(before);
        html.push_str(&filled(mark, status, view));
        rest = after;
    }
    html.push_str(rest);
    html
}

fn filled(mark: &str, status: &Status, view: View) -> String {
    let (session, store) = (status.session.as_ref(), &status.store);
    match mark {
        "id" | "left" | "life" | "store_answers" if view == View::Blank => "…".to_owned(),
        "without_script" if view == View::Blank => WITHOUT_SCRIPT.to_owned(),
        "without_script" => String::new(),
        "cookie" => escaped(&status.cookie),
        "max_age" => in_words(status.max_age),
        "started" => started(status).format(&Rfc3339).unwrap_or_default(),
        "started_at" => {
            let (hour, minute, second) = started(status).to_hms();
            format!("{hour:02}:{minute:02}:{second:02} UTC")
        }
        "storage" => escaped(&store.name),
        "store_state" => if store.answers { "" } else { " class=\"down\"" }.to_owned(),
        "store_answers" => if store.answers { "answers" } else { "does not answer" }.to_owned(),
        "trouble" => {
            if store.answers {
                String::new()
            } else {
                trouble(store)
            }
        }
        "id" => session.map_or_else(|| "none yet".to_owned(), |session| escaped(&session.id)),
        "left" => session.map_or_else(|| "–".to_owned(), |session| in_words(session.expires_in)),
        "life" => match session {
            Some(_) => "left, unless you use it",
            None if store.answers => "no session: it begins with its first item",
            None => "unknown while the store does not answer",
        }
        .to_owned(),
        "gone" => session.map_or(100, |session| gone(session, status.max_age)).to_string(),
        "items" if view == View::Blank => note("…"),
        "items" => items(session),
        "keeps" => store.keeps.to_string(),
        "restart" => escaped(&status.restart.say),
        "restart_command" => escaped(status.restart.command.as_deref().unwrap_or_default()),
        "edit" => escaped(&status.edit.say),
        "edit_hidden" => if status.edit.command.is_some() { "" } else { " hidden" }.to_owned(),
        "edit_command" => escaped(status.edit.command.as_deref().unwrap_or_default()),
        unknown => unreachable!("the page has no mark {unknown}"),
    }
}

fn trouble(store: &Store) -> String {
    let command = store.start.as_deref().map(escaped);
    let command = command.map(|command| format!(" <code>{command}</code>")).unwrap_or_default();
    format!("<p>The store does not answer. {}{command}</p>", store.help)
}

fn items(session: Option<&Current>) -> String {
    let Some(session) = session else {
        return note("nothing");
    };
    let mut rows = String::new();
    for item in &session.items {
        let (key, text) = (escaped(&item.key), escaped(&item.text));
        _ = write!(rows, r#"<tr><th scope="row">{key}</th><td><code>{text}</code></td></tr>"#);
    }
    if session.more > 0 {
        rows.push_str(&note(&format!("and {} more", session.more)));
    }
    rows
}

/// A row that is no item.
fn note(text: &str) -> String {
    format!(r#"<tr><td colspan="2" class="none">{text}</td></tr>"#)
}

/// The part of the time to live that has passed, in percent.
fn gone(session: &Current, max_age: u64) -> u64 {
    100 - (session.expires_in.saturating_mul(100) / max_age.max(1)).min(100)
}

fn started(status: &Status) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp(status.started / 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The two largest units of a time, as the script writes them.
fn in_words(milliseconds: u64) -> String {
    if (1..1000).contains(&milliseconds) {
        return format!("{milliseconds} ms");
    }
    let mut seconds = milliseconds.div_ceil(1000);
    let mut words = Vec::new();
    for (unit, length) in [("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)] {
        let number = seconds / length;
        seconds %= length;
        if number > 0 && words.len() < 2 {
            words.push(format!("{number} {unit}"));
        }
    }
    if words.is_empty() { "0 s".to_owned() } else { words.join(" ") }
}

fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            _ => html.push(character),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::routes::page::{edit::Advice, status::Item};

    fn status(session: Option<Current>) -> Status {
        Status {
            now: 0,
            started: 1_795_247_990_000,
            cookie: "sid".to_owned(),
            max_age: 60_000,
            store: Store {
                name: "redis-hash-table".to_owned(),
                answers: true,
                keeps: true,
                help: "Start one:",
                start: Some("scripts/redis".to_owned()),
            },
            session,
            restart: Advice::new("Restart it.", "cargo run"),
            edit: Advice { say: "Run:".to_owned(), command: None },
        }
    }

    #[test]
    fn every_mark_is_filled_in() {
        let page = render(&status(None), View::Complete);
        assert!(!page.contains("{{") && !page.contains("}}"));
        assert!(page.contains("none yet") && page.contains("UTC"));
        let blank = render(&status(None), View::Blank);
        assert!(!blank.contains("{{") && !blank.contains("none yet") && blank.contains("/plain"));
    }

    #[test]
    fn what_visitors_store_is_text_and_nothing_else() {
        let item = Item { key: "<b>".into(), text: r#""</td><script>{{cookie}}""#.into() };
        let current =
            Current { id: "abcdef…".into(), expires_in: 15_000, items: vec![item], more: 3 };
        let page = render(&status(Some(current)), View::Complete);
        assert!(page.contains("&lt;b&gt;"), "{page}");
        assert!(page.contains("&quot;&lt;/td&gt;&lt;script&gt;{{cookie}}&quot;"), "{page}");
        assert!(page.contains("and 3 more"));
        assert!(page.contains("stroke-dashoffset=\"75\"") && page.contains(">15 s<"), "{page}");
    }

    #[test]
    fn times_are_told_by_their_two_largest_units() {
        let told = [0, 1, 999, 1001, 60_000, 61_000, 3_600_000, 90_061_000].map(in_words);
        let expected = ["0 s", "1 ms", "999 ms", "2 s", "1 min", "1 min 1 s", "1 h", "1 d 1 h"];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_store_that_is_down_is_named_with_what_starts_it() {
        let mut status = status(None);
        status.store.answers = false;
        let page = render(&status, View::Complete);
        assert!(page.contains("does not answer") && page.contains("<code>scripts/redis</code>"));
    }
}
