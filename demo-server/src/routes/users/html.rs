//! Renders the page of a user's sessions. It needs no script.

use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::list::Listed;
use crate::routes::escape::escape;

const PAGE: &str = include_str!("users.html");

const LOGIN: &str = r#"<section class="card" aria-labelledby="login">
  <h2 id="login">Log in</h2>
  <p>Everybody may be anybody here: there are no passwords.</p>
  <form class="item" method="post" action="/login">
    <div><label>Name <input name="user" required maxlength="100" autocomplete="username"></label>
    <button class="main">Log in</button></div>
  </form>
</section>"#;

/// Renders the page, for nobody if there is no user.
pub(super) fn render(user: Option<&str>, sessions: &[Listed]) -> String {
    let (title, lead, main) = match user {
        None => (
            "Who are you?".to_owned(),
            "A login gives the session to a user, under a new id. The user sees all sessions of \
             theirs, and ends those that they do not know."
                .to_owned(),
            LOGIN.to_owned(),
        ),
        Some(user) => {
            let name = escape(user);
            let title = format!("Sessions of {name}");
            (title, lead(sessions.len()), table(sessions) + &buttons(sessions.len()))
        }
    };
    // The name comes last, so that it cannot contain a placeholder that is filled in.
    let page = PAGE.replace("{{main}}", "\0").replace("{{lead}}", &lead);
    let page = page.replace("{{title}}", &title);
    page.replacen('\0', &main, 1)
}

fn lead(count: usize) -> String {
    let browsers = if count == 1 { "in one browser" } else { "in several browsers" };
    format!("You are logged in {browsers}. What you end is logged out at once, on every server.")
}

fn table(sessions: &[Listed]) -> String {
    let rows: String = sessions.iter().map(row).collect();
    format!(
        r#"<section class="card" aria-label="Sessions">
<div class="wide" tabindex="0" role="region" aria-label="List of sessions"><table>
<caption>The sessions of this user, with the latest login first</caption>
<thead><tr><th scope="col">Browser</th><th scope="col">From</th><th scope="col">Logged in</th>
<th scope="col">Last used</th><th scope="col">Until</th><th scope="col">End</th></tr></thead>
<tbody>
{rows}</tbody>
</table></div>
"#
    )
}

fn row(session: &Listed) -> String {
    let agent = escape(session.agent.as_deref().map_or("unknown", browser));
    let mark = if session.current { r#" <strong class="here">this one</strong>"# } else { "" };
    let address = escape(session.address.as_deref().unwrap_or("unknown"));
    let [login, expires] = [session.authenticated, session.expires].map(time);
    let used = session.last_used.map_or_else(|| "unknown".to_owned(), time);
    let fingerprint = escape(&session.fingerprint);
    let end = if session.current { "Log out" } else { "End" };
    format!(
        r#"<tr><th scope="row">{agent}{mark}<br><code>{fingerprint}</code></th><td>{address}</td>
<td>{login}</td><td>{used}</td><td>{expires}</td>
<td><form method="post" action="/sessions/end?id={fingerprint}">
<button aria-label="{end}: {agent}, {fingerprint}">{end}</button></form></td></tr>
"#
    )
}

fn buttons(count: usize) -> String {
    let others = r#"<form method="post" action="/sessions/end?others=true">
<button class="main">End all others</button></form>"#;
    let others = if count > 1 { others } else { "" };
    format!(
        r#"<div class="buttons">{others}
<form method="post" action="/sessions/end?all=true"><button>Log out everywhere</button></form></div>
</section>"#
    )
}

/// Names a browser by its user agent, or shows that.
fn browser(agent: &str) -> &str {
    let known =
        [("Edg/", "Edge"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"), ("Safari/", "Safari")];
    let found = known.into_iter().find(|(part, _)| agent.contains(part));
    found.map_or(agent, |(_, name)| name)
}

fn time(seconds: u64) -> String {
    let time =
        i64::try_from(seconds).ok().and_then(|time| OffsetDateTime::from_unix_timestamp(time).ok());
    let Some(time) = time else { return "unknown".to_owned() };
    let machine = time.format(&Rfc3339).unwrap_or_default();
    let (hour, minute, second) = time.to_hms();
    let date = time.date();
    format!(r#"<time datetime="{machine}">{date} {hour:02}:{minute:02}:{second:02} UTC</time>"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(agent: &str) -> Listed {
        Listed {
            fingerprint: "abc".to_owned(),
            current: true,
            created: 1,
            authenticated: 1,
            last_used: None,
            expires: 61,
            address: Some("::1".to_owned()),
            agent: Some(agent.to_owned()),
        }
    }

    #[test]
    fn g11_whatever_a_name_or_a_browser_contains_is_text() {
        let hostile = "<script>{{main}}{{title}}\0\"";
        let page = render(Some(hostile), &[listed(hostile)]);
        assert!(!page.contains("<script>"), "{page}");
        assert!(page.contains("Sessions of &lt;script&gt;{{main}}{{title}}"), "{page}");
        assert_eq!(page.matches("<table>").count(), 1);
    }

    #[test]
    fn nobody_is_asked_to_log_in() {
        let page = render(None, &[]);
        assert!(page.contains(r#"action="/login""#) && !page.contains("{{"), "{page}");
    }
}
