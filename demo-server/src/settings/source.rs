//! Where settings come from: the environment, a file, and which of the two has the say.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Display,
    fs, io,
    ops::RangeInclusive,
    path::Path,
    time::Duration,
};

use config::{Environment, File, FileFormat, Source as _, Value, ValueKind};

use super::Problem;

const DEFAULT_FILE: &str = "config.toml";
const PREFIX: &str = "DEMO";
const SEPARATOR: &str = "__";

/// The settings somebody has made, by key, and which of them have been asked for.
///
/// A key that is never asked for is one that nobody knows: [`Source::finish`] refuses it.
#[derive(Debug)]
pub(crate) struct Source {
    environment: BTreeMap<String, Value>,
    file: BTreeMap<String, Value>,
    file_name: String,
    asked: BTreeSet<&'static str>,
}

impl Source {
    /// Reads the environment and the file: `named`, or `config.toml` if there is one.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Problem> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && named.is_none() => {
                String::new()
            }
            Err(error) => return Err(Problem::new(format!("{}: {error}", path.display()))),
            Ok(text) => text,
        };
        Self::from_text(&path.display().to_string(), &text, None)
    }

    /// Reads a file's text, and the process's environment unless another is given.
    pub(crate) fn from_text(
        file_name: &str,
        text: &str,
        environment: Option<config::Map<String, String>>,
    ) -> Result<Self, Problem> {
        let file = File::from_str(text, FileFormat::Toml).collect();
        let file = file.map_err(|error| Problem::new(format!("{file_name}: {}", brief(&error))))?;
        let environment = Environment::with_prefix(PREFIX)
            .separator(SEPARATOR)
            .source(environment)
            .collect()
            .map_err(|_| {
                Problem::new(format!("environment: a {PREFIX}{SEPARATOR} variable is not UTF-8"))
            })?;
        let mut source = Self {
            environment: environment.into_iter().collect(),
            file: BTreeMap::new(),
            file_name: file_name.to_owned(),
            asked: BTreeSet::new(),
        };
        flatten("", file, &mut source.file);
        Ok(source)
    }

    /// Reads a text; `parse` answers `None` for one that is not allowed.
    pub(super) fn text<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.read(key, allowed, |value| match &value.kind {
            ValueKind::String(text) => parse(text),
            _ => None,
        })
    }

    /// Reads one of a few words.
    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        words: &[(&str, T)],
    ) -> Result<Option<T>, Problem> {
        let allowed: Vec<String> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        self.text(key, &allowed.join(", "), |text| {
            words.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice)
        })
    }

    /// Reads a text whose absence means something, which an empty one stands for too.
    pub(super) fn optional(&mut self, key: &'static str) -> Result<Option<String>, Problem> {
        let text = self.text(key, "a text", |text| Some(text.to_owned()))?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    /// Reads several texts: a list in the file, separated by commas in the environment. No list
    /// is an empty one; `parse` answers `None` for a text that is not allowed.
    pub(super) fn list(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl Fn(&str) -> Option<String>,
    ) -> Result<Vec<String>, Problem> {
        let list = self.read(key, allowed, |value| match &value.kind {
            ValueKind::Array(list) => list.iter().map(|one| parse(text_of(one)?)).collect(),
            ValueKind::String(text) if is_variable(value) && text.is_empty() => Some(Vec::new()),
            ValueKind::String(text) if is_variable(value) => {
                text.split(',').map(|one| parse(one.trim())).collect()
            }
            _ => None,
        })?;
        Ok(list.unwrap_or_default())
    }

    /// Reads a whole number in `range`.
    pub(super) fn number<T>(
        &mut self,
        key: &'static str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, Problem>
    where
        T: TryFrom<i64> + PartialOrd + Display,
    {
        let allowed = format!("a whole number from {} to {}", range.start(), range.end());
        self.read(key, &allowed, |value| {
            let number = match &value.kind {
                ValueKind::I64(number) => *number,
                ValueKind::String(text) if is_variable(value) => text.parse().ok()?,
                _ => return None,
            };
            T::try_from(number).ok().filter(|number| range.contains(number))
        })
    }

    /// Reads `true` or `false`.
    pub(super) fn flag(&mut self, key: &'static str) -> Result<Option<bool>, Problem> {
        self.read(key, "true or false", |value| match &value.kind {
            ValueKind::Boolean(flag) => Some(*flag),
            ValueKind::String(text) if is_variable(value) => text.parse().ok(),
            _ => None,
        })
    }

    /// Reads a duration such as `90s`, in `range`.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        range: RangeInclusive<Duration>,
    ) -> Result<Option<Duration>, Problem> {
        let [shortest, longest] =
            [range.start(), range.end()].map(|end| humantime::format_duration(*end));
        let allowed = format!(
            "a duration such as \"90s\", \"500ms\" or \"1h\", from {shortest} to {longest}"
        );
        self.text(key, &allowed, |text| {
            humantime::parse_duration(text).ok().filter(|duration| range.contains(duration))
        })
    }

    fn read<T>(
        &mut self,
        key: &'static str,
        allowed: &str,
        parse: impl FnOnce(&Value) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        self.asked.insert(key);
        let Some(value) = self.environment.get(key).or_else(|| self.file.get(key)) else {
            return Ok(None);
        };
        match parse(value) {
            Some(parsed) => Ok(Some(parsed)),
            None => Err(self.problem(&[key], format_args!("allowed is {allowed}"))),
        }
    }

    /// Refuses what nobody has asked for.
    pub(super) fn finish(&self) -> Result<(), Problem> {
        let environment = self.environment.iter().map(|entry| (entry, variable(entry.0)));
        let file =
            self.file.iter().map(|entry| (entry, format!("{}: {}", self.file_name, entry.0)));
        for ((key, value), place) in environment.chain(file) {
            let empty = matches!(&value.kind, ValueKind::Table(table) if table.is_empty());
            let section = format!("{key}.");
            let known = |asked: &&str| *asked == key || empty && asked.starts_with(&section);
            if !self.asked.iter().any(known) {
                return Err(self.unknown(key, &place));
            }
        }
        Ok(())
    }

    /// Names the keys of the same section, or the sections if there is none such.
    fn unknown(&self, key: &str, place: &str) -> Problem {
        let section = key.rsplit_once('.').map_or("", |(section, _)| section);
        let within =
            |asked: &&'static str| asked.rsplit_once('.').is_some_and(|(of, _)| of == section);
        let mut allowed: BTreeSet<&str> = self.asked.iter().copied().filter(within).collect();
        if allowed.is_empty() {
            allowed = self.asked.iter().filter_map(|key| Some(key.rsplit_once('.')?.0)).collect();
        }
        let allowed = Vec::from_iter(allowed).join(", ");
        Problem::new(format!("{place}: unknown setting; allowed are {allowed}"))
    }

    /// Says what is wrong with the settings of `keys`, and who has made them.
    pub(crate) fn problem(&self, keys: &[&str], what: impl Display) -> Problem {
        let mut settings: Vec<String> = keys.iter().filter_map(|key| self.describe(key)).collect();
        if settings.is_empty() {
            settings.push(format!("{} (default)", keys.join(", ")));
        }
        Problem::new(format!("{}: {what}", settings.join(" and ")))
    }

    fn describe(&self, key: &str) -> Option<String> {
        if let Some(value) = self.environment.get(key) {
            return Some(format!("{} = {}", variable(key), shown(key, value)));
        }
        let value = self.file.get(key)?;
        Some(format!("{}: {key} = {}", self.file_name, shown(key, value)))
    }
}

/// Brings `{"server": {"port": 1}}` to `server.port`; an empty table keeps its place.
fn flatten(section: &str, table: config::Map<String, Value>, flat: &mut BTreeMap<String, Value>) {
    for (name, value) in table {
        let key = format!("{section}{name}");
        match value.kind {
            ValueKind::Table(table) if !table.is_empty() => {
                flatten(&format!("{key}."), table, flat)
            }
            _ => _ = flat.insert(key, value),
        }
    }
}

/// Whether a value comes from the environment, where all are texts. That of a file has no origin.
fn is_variable(value: &Value) -> bool {
    value.origin().is_some()
}

fn variable(key: &str) -> String {
    format!("{PREFIX}{SEPARATOR}{}", key.replace('.', SEPARATOR).to_uppercase())
}

fn text_of(value: &Value) -> Option<&str> {
    match &value.kind {
        ValueKind::String(text) => Some(text),
        _ => None,
    }
}

/// A value on one line. A URL may hold a password, in more places than can be masked safely; an
/// address without one of these characters is none that does.
fn shown(key: &str, value: &Value) -> String {
    const OF_PASSWORDS: [char; 4] = ['@', '?', '#', '%'];
    let is_list = ["redis.sentinels", "redis.cluster"].contains(&key);
    match &value.kind {
        _ if ["redis.url", "redis.password"].contains(&key) => "(not shown)".to_owned(),
        ValueKind::String(text) if is_list && text.contains(OF_PASSWORDS) => {
            "(not shown)".to_owned()
        }
        ValueKind::String(text) if text.chars().count() > 80 => "(a long text)".to_owned(),
        ValueKind::String(text) => format!("{text:?}"),
        ValueKind::Boolean(_) | ValueKind::I64(_) | ValueKind::Float(_) => value.to_string(),
        ValueKind::Array(list) if is_list && list.len() <= 9 => {
            let shown: Vec<_> = list.iter().map(|one| shown(key, one)).collect();
            format!("[{}]", shown.join(", "))
        }
        _ => "(a table or list)".to_owned(),
    }
}

/// The first and the last line of the parser's message; those between quote the file.
fn brief(error: &config::ConfigError) -> String {
    let text = error.to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    match (lines.next(), lines.next_back()) {
        (Some(place), Some(fault)) => format!("{place}: {fault}"),
        (Some(fault), None) => fault.to_owned(),
        (None, _) => "not TOML".to_owned(),
    }
}
