//! The settings of the server: environment before `config.toml` before default.
//!
//! A new setting needs a field here or in `redis.rs`, a line in `config.toml` and a row in
//! `docs/CONFIGURATION.md`.

mod encryption;
mod load;
mod parse;
mod problem;
mod redis;
mod secret;

use std::{collections::BTreeMap, fmt, path::PathBuf, time::Duration};

use actix_web::cookie::SameSite;
use serde::{Deserialize, Serialize};
use session_actix::{CookieAge, CookieConfig, SessionMiddlewareBuilder};
use session_core::MAX_TTL;
use smart_default::SmartDefault;

use parse::{cookie_age, duration, encryption_keys, file_name, non_empty, number, positive_size};
pub(crate) use problem::Problem;
pub(crate) use redis::{Deployment, Redis};
pub(crate) use secret::Secret;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Settings {
    pub(crate) server: Server,
    pub(crate) session: Session,
    pub(crate) memory: Memory,
    pub(crate) file: File,
    pub(crate) redis: Redis,
    /// Place, key and value of each setting in the file or the environment. Holds no secrets.
    #[serde(skip)]
    origins: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, PartialEq, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Server {
    #[default = "127.0.0.1"]
    #[serde(deserialize_with = "non_empty")]
    pub(crate) host: String,
    #[default = 8199]
    #[serde(deserialize_with = "number::<_, _, 0, 65535>")]
    pub(crate) port: u16,
    /// `None` means one for each core.
    #[serde(deserialize_with = "number::<_, _, 1, 1024>")]
    pub(crate) workers: Option<u32>,
    /// Whether there is a route `/metrics`.
    #[default = true]
    pub(crate) metrics: bool,
}

const MAX_TTL_MS: u64 = MAX_TTL.as_millis() as u64;

#[derive(Debug, Deserialize, PartialEq, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Session {
    pub(crate) backend: Backend,
    #[default(Duration::from_secs(60))]
    #[serde(deserialize_with = "duration::<_, _, 100, MAX_TTL_MS>")]
    pub(crate) max_age: Duration,
    /// `None` means no limit.
    #[serde(deserialize_with = "duration::<_, _, 100, MAX_TTL_MS>")]
    pub(crate) absolute_max_age: Option<Duration>,
    /// `None` means never.
    #[serde(deserialize_with = "duration::<_, _, 100, MAX_TTL_MS>")]
    pub(crate) renew_after: Option<Duration>,
    #[default(Duration::from_secs(30))]
    #[serde(deserialize_with = "duration::<_, _, 0, MAX_TTL_MS>")]
    pub(crate) grace: Duration,
    #[default(Duration::from_secs(10))]
    #[serde(deserialize_with = "duration::<_, _, 1, MAX_TTL_MS>")]
    pub(crate) touch_interval: Duration,
    pub(crate) hash_ids: bool,
    /// As they are written. `None`, like no file, means that items are not encrypted.
    #[serde(deserialize_with = "encryption_keys")]
    encryption_keys: Option<Vec<Secret>>,
    #[serde(deserialize_with = "file_name")]
    pub(crate) encryption_keys_file: Option<PathBuf>,
    pub(crate) require_encryption: bool,
    /// The most sessions of a user; 0 for any number.
    #[serde(deserialize_with = "number::<_, _, 0, { u32::MAX }>")]
    pub(crate) max_per_user: u32,
    /// What a login does if the user has as many.
    pub(crate) when_full: WhenFull,
    /// The header that may carry the id.
    pub(crate) header: Option<String>,
    pub(crate) cookie: Cookie,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Backend {
    Memory,
    #[default]
    File,
    RedisKeyValue,
    RedisHashTable,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum WhenFull {
    #[default]
    EndOldest,
    Refuse,
}

#[derive(Debug, Deserialize, PartialEq, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Cookie {
    #[default = true]
    pub(crate) enabled: bool,
    #[default = "gfsessionid"]
    pub(crate) name: String,
    #[default = "/"]
    path: String,
    domain: Option<String>,
    /// Off by default, unlike in the library: the walkthrough runs over plain HTTP.
    secure: bool,
    #[default = true]
    http_only: bool,
    #[default(SameSite::Lax)]
    #[serde(with = "SameSiteName")]
    same_site: SameSite,
    #[default(CookieAge::Rolling)]
    #[serde(deserialize_with = "cookie_age")]
    max_age: CookieAge,
}

#[derive(Deserialize)]
#[serde(remote = "SameSite", rename_all = "kebab-case")]
enum SameSiteName {
    Strict,
    Lax,
    None,
}

/// `None` means no bound.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Memory {
    #[serde(deserialize_with = "number::<_, _, 1, { u32::MAX }>")]
    pub(crate) max_sessions: Option<u32>,
    /// In bytes.
    #[serde(deserialize_with = "positive_size")]
    pub(crate) max_bytes: Option<usize>,
}

#[derive(Debug, Deserialize, PartialEq, SmartDefault)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct File {
    #[default(PathBuf::from("sessions"))]
    #[serde(deserialize_with = "non_empty")]
    pub(crate) path: PathBuf,
}

impl Settings {
    /// Names the storage, its location unless that may hold a secret, and what it is not shown.
    pub(crate) fn storage(&self) -> String {
        let ids = if self.session.hash_ids { ", ids hashed" } else { "" };
        let items = if self.session.encrypts() { ", items encrypted" } else { "" };
        format!("{}{ids}{items}", self.plain_storage())
    }

    fn plain_storage(&self) -> String {
        match (self.session.backend, self.redis.deployment()) {
            (Backend::Memory, _) => "memory".to_owned(),
            (Backend::File, _) => format!("file ({})", self.file.path.display()),
            (backend, Deployment::Single(_)) => format!("{backend} (one server)"),
            (backend, Deployment::Sentinel { master, .. }) => {
                format!("{backend} (the master {master} of the sentinels)")
            }
            (backend, Deployment::Cluster(_)) => format!("{backend} (a cluster)"),
        }
    }

    /// Sets how the session id travels.
    pub(crate) fn transport(
        &self,
        sessions: SessionMiddlewareBuilder,
    ) -> Result<SessionMiddlewareBuilder, Problem> {
        let Session { header, cookie, .. } = &self.session;
        match header {
            Some(header) if cookie.enabled => Ok(sessions.cookie(cookie.config()).header(header)),
            Some(header) => Ok(sessions.header_only(header)),
            None if cookie.enabled => Ok(sessions.cookie(cookie.config())),
            None => Err(self.problem(
                &["session.cookie.enabled"],
                "without a cookie the id needs a header; allowed is true, or false if \
                 session.header is set",
            )),
        }
    }

    /// Describes what is wrong with the settings of `keys`, and where they were set.
    pub(crate) fn problem(&self, keys: &[&str], what: impl fmt::Display) -> Problem {
        let origins = Vec::from_iter(keys.iter().filter_map(|key| self.origins.get(*key).cloned()));
        Problem::new(match &origins[..] {
            [] => format!("{} (default): {what}", keys.join(", ")),
            _ => format!("{}: {what}", origins.join(" and ")),
        })
    }
}

impl Cookie {
    fn config(&self) -> CookieConfig {
        let config = CookieConfig::new()
            .name(&self.name)
            .path(&self.path)
            .secure(self.secure)
            .http_only(self.http_only)
            .same_site(self.same_site)
            .age(self.max_age);
        match &self.domain {
            Some(domain) => config.domain(domain),
            None => config,
        }
    }
}

impl Backend {
    pub(crate) fn is_redis(self) -> bool {
        matches!(self, Self::RedisKeyValue | Self::RedisHashTable)
    }
}

/// Writes the name that the settings use.
impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn read(file: &str, environment: &[(&str, &str)]) -> Result<Settings, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let environment = environment.iter().map(owned).collect();
        Settings::from_text("demo.toml", file, Some(environment))
            .map_err(|problem| problem.to_string())
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
        let default = Settings::default();
        assert_eq!(shipped.server, default.server);
        assert_eq!(shipped.session, default.session);
        assert_eq!(shipped.memory, default.memory);
        assert_eq!(shipped.file, default.file);
        assert_eq!(shipped.redis, default.redis);
    }

    /// Returns the keys or sections that the complaint about an unknown one names.
    fn allowed(file: &str) -> Vec<String> {
        let problem = read(file, &[]).expect_err("refused");
        let (_, keys) = problem.split_once("allowed is ").expect("it says what is allowed");
        keys.split('`').skip(1).step_by(2).map(str::to_owned).collect()
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
        let mut known = Vec::new();
        let mut sections = allowed("x = 1");
        while let Some(section) = sections.pop() {
            for key in allowed(&format!("[{section}]\nx = 1")) {
                let key = format!("{section}.{key}");
                // Only a section may be an empty table.
                let is_section = read(&format!("[{key}]"), &[]).is_ok();
                if is_section { &mut sections } else { &mut known }.push(key);
            }
        }
        let mut shown: Vec<_> = shipped().into_iter().map(|(key, _)| key).collect();
        known.sort();
        shown.sort();
        assert_eq!(shown, known);
    }

    #[test]
    fn the_documentation_lists_every_setting_with_its_default() {
        let rows = include_str!("../../../docs/CONFIGURATION.md").lines().filter_map(|line| {
            let mut cells = line.strip_prefix("| `")?.split(" | ");
            Some((cells.next()?.strip_suffix('`')?, cells.next()?))
        });
        let listed: Vec<_> = rows.filter(|(key, _)| key.contains('.')).collect();
        for (key, default) in shipped() {
            let row = listed.iter().find(|(listed, _)| *listed == key);
            let (_, shown) = row.unwrap_or_else(|| panic!("{key} is not in the documentation"));
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
        assert!(settings.session.cookie.secure);
    }

    #[test]
    fn memory_has_no_bound_unless_one_is_set() {
        let memory = read("", &[]).unwrap().memory;
        assert_eq!(memory, Memory { max_sessions: None, max_bytes: None });
        let environment = [("DEMO__MEMORY__MAX_BYTES", "64MiB")];
        let memory = read("[memory]\nmax_sessions = 1000", &environment).unwrap().memory;
        assert_eq!(memory, Memory { max_sessions: Some(1000), max_bytes: Some(64 << 20) });
    }

    #[test]
    fn cookies_can_be_turned_off() {
        assert!(read("", &[]).unwrap().session.cookie.enabled);
        let file = "[session]\nheader = \"x-id\"\n[session.cookie]\nenabled = false";
        assert!(!read(file, &[]).unwrap().session.cookie.enabled);
        let environment = [("DEMO__SESSION__COOKIE__ENABLED", "false")];
        assert!(!read("", &environment).unwrap().session.cookie.enabled);
        refused("[session.cookie]\nenabled = 0", &[], &["cookie.enabled = 0", "a boolean"]);
    }

    #[test]
    fn a_text_in_the_environment_stays_as_it_is() {
        let environment = [("DEMO__REDIS__PREFIX", "007"), ("DEMO__SESSION__HEADER", "true")];
        let settings = read("", &environment).unwrap();
        assert_eq!(settings.redis.prefix, "007");
        assert_eq!(settings.session.header.as_deref(), Some("true"));
    }

    #[test]
    fn a_bad_value_in_the_file_is_refused_even_if_the_environment_overrides_it() {
        let file = "[server]\nport = 99999";
        refused(file, &[("DEMO__SERVER__PORT", "1")], &["demo.toml: server.port = 99999"]);
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
        refused("[memory]\nmax_sessions = 0", &[], &["memory.max_sessions = 0", "1 to 4294967295"]);
        let bytes = [("DEMO__MEMORY__MAX_BYTES", "0KiB")];
        refused("", &bytes, &["DEMO__MEMORY__MAX_BYTES", "\"0KiB\"", "\"16MiB\""]);
        refused("[session]\nbackend = \"disk\"", &[], &["\"disk\"", "`redis-hash-table`"]);
        refused("[session.cookie]\nhttp_only = 1", &[], &["cookie.http_only = 1", "a boolean"]);
        refused("[session.cookie]\nsame_site = 1", &[], &["cookie.same_site = 1", "`strict`"]);
        refused("[session]\nheader = 1", &[], &["session.header = 1", "a string"]);
        refused("[server]\nworkers = 1.5", &[], &["server.workers = 1.5", "1 to 1024"]);
        refused("[session]\nheader = nan", &[], &["session.header", "a string"]);
    }

    #[test]
    fn an_unknown_key_is_refused_wherever_it_stands() {
        refused("[sesion]\nbackend = \"file\"", &[], &["demo.toml", "sesion.backend", "session"]);
        refused("[server]\nhots = 1", &[], &["server.hots", "`host`"]);
        refused("prot = 1", &[], &["prot", "`server`"]);
        refused("[other]", &[], &["other", "`server`"]);
        refused("server = 1", &[], &["server", "`host`"]);
        refused("server = []", &[], &["server", "`host`"]);
        refused("[[server]]\nport = 1", &[], &["server", "`host`"]);
        refused("", &[("DEMO__REDIS__PASSWD", "x")], &["DEMO__REDIS__PASSWD", "`password`"]);
        refused("", &[("DEMO__SESSION", "x")], &["DEMO__SESSION", "`max_age`"]);
        refused("", &[("DEMO__SERVER__PORT__X", "1")], &["DEMO__SERVER__PORT__X: unknown"]);
        let variant = [("DEMO__SESSION__BACKEND__MEMORY", "")];
        refused("", &variant, &["DEMO__SESSION__BACKEND__MEMORY: unknown"]);
        refused("", &[("DEMO__A[99999999999999]", "x")], &["DEMO__A[99999999999999]", "`server`"]);
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
