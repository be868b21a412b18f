//! The settings of the server: environment before `config.toml` before default.

mod problem;
mod redis;
mod source;

use std::{fmt, path::PathBuf, time::Duration};

use actix_web::cookie::SameSite;
use session_actix::{CookieAge, CookieConfig};
use session_core::MAX_TTL;

pub(crate) use problem::Problem;
pub(crate) use redis::{Place, Redis, Secret};
pub(crate) use source::Source;

/// Every setting, with its default where nobody has made it.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) session: Session,
    pub(crate) file: File,
    pub(crate) redis: Redis,
}

#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    /// `None`: one for each core.
    pub(crate) workers: Option<usize>,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) backend: Backend,
    pub(crate) max_age: Duration,
    pub(crate) touch_interval: Duration,
    pub(crate) cookie_name: String,
    pub(crate) cookie: CookieConfig,
    pub(crate) header: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    Memory,
    File,
    RedisKeyValue,
    RedisHashTable,
}

#[derive(Debug)]
pub(crate) struct File {
    pub(crate) path: PathBuf,
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

impl Settings {
    /// Asks `source` for every setting there is.
    pub(crate) fn read(source: &mut Source) -> Result<Self, Problem> {
        let cookie_name = source
            .text("session.cookie.name", "a text", |text| Some(text.to_owned()))?
            .unwrap_or_else(|| "gfsessionid".into());
        let settings = Self {
            server: Server {
                host: source
                    .text("server.host", "a host name or an IP address", non_empty)?
                    .unwrap_or_else(|| "127.0.0.1".into()),
                port: source.number("server.port", 0..=u16::MAX)?.unwrap_or(8199),
                workers: source.number("server.workers", 1..=1024)?,
            },
            session: Session {
                backend: source.choice("session.backend", &BACKENDS)?.unwrap_or(Backend::File),
                max_age: source
                    .duration("session.max_age", 100 * MILLISECOND..=MAX_TTL)?
                    .unwrap_or(MINUTE),
                touch_interval: source
                    .duration("session.touch_interval", MILLISECOND..=MAX_TTL)?
                    .unwrap_or(10 * SECOND),
                cookie: cookie(source)?.name(&cookie_name),
                cookie_name,
                header: source.optional("session.header")?,
            },
            file: File {
                path: source
                    .text("file.path", "a directory", non_empty)?
                    .unwrap_or_else(|| "sessions".into())
                    .into(),
            },
            redis: Redis::read(source)?,
        };
        source.finish()?;
        Ok(settings)
    }

    /// Names the storage, and its place where that can hold no secret.
    pub(crate) fn storage(&self) -> String {
        match self.session.backend {
            Backend::File => format!("file ({})", self.file.path.display()),
            Backend::Memory => "memory".to_owned(),
            backend => format!("{backend} ({})", self.redis.place),
        }
    }
}

fn cookie(source: &mut Source) -> Result<CookieConfig, Problem> {
    let text = |text: &str| Some(text.to_owned());
    // No `Secure` by default, unlike the library: the walkthrough runs over plain HTTP.
    let mut cookie = CookieConfig::new()
        .path(source.text("session.cookie.path", "a text", text)?.unwrap_or("/".into()))
        .secure(source.flag("session.cookie.secure")?.unwrap_or(false))
        .http_only(source.flag("session.cookie.http_only")?.unwrap_or(true))
        .same_site(source.choice("session.cookie.same_site", &SAME_SITES)?.unwrap_or(SameSite::Lax))
        .age(
            source
                .text("session.cookie.max_age", COOKIE_AGES, cookie_age)?
                .unwrap_or(CookieAge::Rolling),
        );
    if let Some(domain) = source.optional("session.cookie.domain")? {
        cookie = cookie.domain(domain);
    }
    Ok(cookie)
}

const SAME_SITES: [(&str, SameSite); 3] =
    [("strict", SameSite::Strict), ("lax", SameSite::Lax), ("none", SameSite::None)];

const COOKIE_AGES: &str =
    "\"rolling\", \"session\" or a duration such as \"24h\" of a second or more";

fn cookie_age(text: &str) -> Option<CookieAge> {
    Some(match text {
        "rolling" => CookieAge::Rolling,
        "session" => CookieAge::Session,
        _ => CookieAge::Fixed(humantime::parse_duration(text).ok()?),
    })
}

const BACKENDS: [(&str, Backend); 4] = [
    ("memory", Backend::Memory),
    ("file", Backend::File),
    ("redis-key-value", Backend::RedisKeyValue),
    ("redis-hash-table", Backend::RedisHashTable),
];

impl Backend {
    pub(crate) fn is_redis(self) -> bool {
        matches!(self, Self::RedisKeyValue | Self::RedisHashTable)
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = BACKENDS.iter().find(|(_, backend)| backend == self);
        f.write_str(name.expect("every backend has a name").0)
    }
}

fn non_empty(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn read(file: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(owned).collect();
        let mut source = Source::from_text("demo.toml", file, Some(environment))
            .map_err(|problem| problem.to_string())?;
        Settings::read(&mut source).map_err(|problem| problem.to_string())
    }

    pub(super) fn refused(file: &str, environment: &[(&str, &str)], words: &[&str]) {
        let problem = read(file, environment).expect_err("refused");
        assert!(!problem.contains('\n'), "{problem}");
        for word in words {
            assert!(problem.contains(word), "{word:?} is not in {problem:?}");
        }
    }

    #[test]
    fn the_environment_beats_the_file_and_the_file_beats_the_default() {
        let file = "[session]\nmax_age = \"5s\"\nbackend = \"memory\"";
        let settings = read(file, &[("DEMO__SESSION__MAX_AGE", "90s")]).unwrap();
        assert_eq!(settings.session.max_age, Duration::from_secs(90));
        assert_eq!(settings.session.backend, Backend::Memory);
        assert_eq!(settings.server.port, 8199);
    }

    #[test]
    fn the_shipped_file_makes_no_setting_but_the_default() {
        let shipped = read(include_str!("../../../config.toml"), &[]).unwrap();
        let default = read("", &[]).unwrap();
        assert_eq!(format!("{shipped:?}"), format!("{default:?}"));
        assert_eq!(shipped.redis, default.redis, "which shows no address");
    }

    /// What the complaint about an unknown key says is allowed there.
    fn allowed(file: &str) -> Vec<String> {
        let problem = read(file, &[]).expect_err("refused");
        let (_, keys) = problem.split_once("allowed are ").expect("it says what is allowed");
        keys.split(", ").map(str::to_owned).collect()
    }

    /// Keys with their defaults; `None` where the file has the line commented out.
    fn shipped() -> Vec<(String, Option<String>)> {
        let mut section = "";
        let mut keys = Vec::new();
        for line in include_str!("../../../config.toml").lines() {
            section = line.strip_prefix('[').map_or(section, |name| name.trim_end_matches(']'));
            let Some((key, value)) = line.split_once(" = ") else { continue };
            let name = key.strip_prefix('#').unwrap_or(key);
            if name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_') {
                let default = (name == key).then(|| value.trim_matches('"').to_owned());
                keys.push((format!("{section}.{name}"), default));
            }
        }
        keys
    }

    #[test]
    fn the_shipped_file_shows_every_setting() {
        let mut known: Vec<_> = allowed("x = 1")
            .iter()
            .flat_map(|section| allowed(&format!("[{section}]\nx = 1")))
            .collect();
        let mut shown: Vec<_> = shipped().into_iter().map(|(key, _)| key).collect();
        known.sort();
        shown.sort();
        assert_eq!(shown, known);
    }

    #[test]
    fn the_documents_list_every_setting_with_its_default() {
        let rows = include_str!("../../../docs/CONFIGURATION.md").lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            Some((cells.next()?.strip_suffix('`')?, cells.next()?))
        });
        let listed: Vec<_> = rows.filter(|(key, _)| key.contains('.')).collect();
        for (key, default) in shipped() {
            let row = listed.iter().find(|(listed, _)| *listed == key);
            let (_, shown) = row.unwrap_or_else(|| panic!("{key} is not in docs/CONFIGURATION.md"));
            let expected = default.map(|default| format!("`{default}`"));
            assert!(expected.is_none_or(|expected| expected == *shown), "{key}: {shown}");
        }
    }

    #[test]
    fn numbers_and_flags_are_read_from_the_environment() {
        let environment =
            [("DEMO__SERVER__PORT", "9000"), ("DEMO__SESSION__COOKIE__SECURE", "true")];
        let settings = read("", &environment).unwrap();
        assert_eq!(settings.server.port, 9000);
        assert!(format!("{:?}", settings.session.cookie).contains("secure: true"));
    }

    #[test]
    fn an_empty_text_stands_for_none_or_for_itself() {
        let file = "[session]\nheader = \"x-id\"\n[redis]\nprefix = \"app:\"";
        let environment = [("DEMO__SESSION__HEADER", ""), ("DEMO__REDIS__PREFIX", "")];
        let settings = read(file, &environment).unwrap();
        assert_eq!(settings.session.header, None);
        assert_eq!(settings.redis.prefix, "");
    }

    #[test]
    fn a_bad_value_is_named_with_its_place_and_what_is_allowed() {
        refused(
            "[server]\nport = 99999",
            &[],
            &["demo.toml", "server.port", "99999", "0 to 65535"],
        );
        refused("[server]\nport = \"80\"", &[], &["demo.toml", "server.port", "whole number"]);
        refused("", &[("DEMO__SERVER__PORT", "x")], &["DEMO__SERVER__PORT", "\"x\"", "65535"]);
        refused("", &[("DEMO__SESSION__MAX_AGE", "0s")], &["MAX_AGE", "\"0s\"", "from 100ms"]);
        refused("[session]\nmax_age = 60", &[], &["session.max_age", "60", "\"90s\""]);
        refused("[session]\nmax_age = \"11y\"", &[], &["session.max_age", "to 10years"]);
        refused("[redis]\nnear_cache = \"16MB\"", &[], &["near_cache", "\"16MB\"", "16MiB"]);
        refused("[session]\nbackend = \"disk\"", &[], &["\"disk\"", "\"redis-hash-table\""]);
        refused("[session.cookie]\nhttp_only = 1", &[], &["session.cookie.http_only", "false"]);
    }

    #[test]
    fn an_unknown_key_is_refused_wherever_it_stands() {
        refused("[sesion]\nbackend = \"file\"", &[], &["demo.toml", "sesion.backend", "session"]);
        refused("[server]\nhots = 1", &[], &["server.hots", "server.host"]);
        refused("prot = 1", &[], &["prot"]);
        refused("[other]", &[], &["other"]);
        refused("server = 1", &[], &["server"]);
        refused("", &[("DEMO__REDIS__PASSWD", "x")], &["DEMO__REDIS__PASSWD", "redis.password"]);
        refused("", &[("DEMO__SESSION", "x")], &["DEMO__SESSION"]);
        assert!(read("[session]\n[session.cookie]\n[redis]", &[]).is_ok());
    }

    #[test]
    fn a_file_that_is_not_toml_is_told_by_its_line() {
        refused("[server]\nport = = 1", &[], &["demo.toml", "line 2"]);
    }

    #[test]
    fn g12_no_password_is_shown() {
        let url = "redis://:secret@[";
        let shown = read("[redis]\nurl = [\"secret\"]", &[]).unwrap_err();
        assert!(!shown.contains("secret"), "{shown}");
        let shown = read(&format!("[redis]\nurl = \"{url}"), &[]).unwrap_err();
        assert!(!shown.contains("secret"), "{shown}");
        let shown = read("", &[("DEMO__REDIS__PASSWD", "secret")]).unwrap_err();
        assert!(!shown.contains("secret"), "{shown}");
    }
}
