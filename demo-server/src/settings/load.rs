//! Reading the settings from the environment and the file.

use std::{collections::BTreeMap, fs, io::ErrorKind, path::Path};

use config::{Config, Environment, File, FileFormat, Map, Source, Value, ValueKind};
use serde::Deserialize;
use serde_json::{Value as Json, json};

use super::{Problem, Settings};

impl Settings {
    /// Reads the environment and the file: `named`, or `config.toml` if there is one.
    pub(crate) fn load(named: Option<&Path>) -> Result<Self, Problem> {
        let path = named.unwrap_or(Path::new("config.toml"));
        let text = match fs::read_to_string(path) {
            Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => String::new(),
            text => text.map_err(|error| Problem::new(format!("{}: {error}", path.display())))?,
        };
        Self::from_text(&path.display().to_string(), &text, None)
    }

    /// Reads a file's text, and the process's environment unless another is given.
    pub(crate) fn from_text(
        file_name: &str,
        text: &str,
        environment: Option<Map<String, String>>,
    ) -> Result<Self, Problem> {
        let file = File::from_str(text, FileFormat::Toml).collect();
        let file = file.map_err(|error| Problem::new(format!("{file_name}: {}", brief(&error))))?;
        let environment = Environment::with_prefix("DEMO").separator("__").source(environment);
        let environment = environment.collect();
        let environment =
            environment.map_err(|_| Problem::new("environment: a DEMO__ variable is not UTF-8"))?;
        let (mut merged, mut origins) = (Config::builder(), BTreeMap::new());
        for (key, value) in flat("", file).into_iter().chain(BTreeMap::from_iter(environment)) {
            // `config` records an origin for variables, but not for a file's text.
            let is_variable = value.origin().is_some();
            let place = match is_variable {
                true => format!("DEMO__{}", key.replace('.', "__").to_uppercase()),
                false => format!("{file_name}: {key}"),
            };
            let value: Json = value.try_deserialize().unwrap_or_default();
            let origin = format!("{place} = {}", shown(&key, &value));
            let reading = check(&key, readings(value, is_variable), &place, &origin)?;
            merged = merged.set_override(&key, reading).expect("the key of a setting is a path");
            origins.insert(key, origin);
        }
        let merged = merged.build().and_then(Config::try_deserialize);
        let settings = Self { origins, ..merged.expect("each setting has been checked") };
        let contradiction = settings.session.contradiction();
        match contradiction.or_else(|| settings.redis.contradiction()) {
            Some((keys, allowed)) => {
                let what = format!("{}: allowed is {allowed}", keys.join(" and "));
                Err(settings.problem(&keys, what))
            }
            None => Ok(settings),
        }
    }
}

/// Turns `{"server": {"port": 1}}` into `{"server.port": 1}`. Keeps empty tables.
fn flat(section: &str, table: Map<String, Value>) -> BTreeMap<String, Value> {
    let settings = table.into_iter().flat_map(|(name, value)| match value.kind {
        ValueKind::Table(table) if !table.is_empty() => flat(&format!("{section}{name}."), table),
        _ => BTreeMap::from([(format!("{section}{name}"), value)]),
    });
    settings.collect()
}

/// Returns the values that a setting may take from what is written, the preferred one first.
///
/// An empty string also means none. A variable is always a string, so it may also mean a number, a
/// flag or a list.
fn readings(value: Json, is_variable: bool) -> Vec<Json> {
    let Some(text) = value.as_str() else {
        // TOML has no null: this is NaN, which JSON cannot express.
        return Vec::from_iter(Some(value).filter(|value| !value.is_null()));
    };
    let mut readings = Vec::from_iter(text.is_empty().then_some(Json::Null));
    readings.push(text.into());
    if is_variable {
        readings.extend(text.parse::<i64>().map(Json::from));
        readings.extend(text.parse::<bool>().map(Json::from));
        readings.push(text.split_terminator(',').map(str::trim).collect());
    }
    readings
}

/// Returns the first reading that the setting allows.
///
/// # Errors
///
/// A problem that names the place, the key, what is allowed, and the value unless it may be secret.
fn check(key: &str, readings: Vec<Json>, place: &str, origin: &str) -> Result<Value, Problem> {
    // No key has more than three parts. A tree of thousands would overflow the stack.
    let path: Vec<&str> = key.splitn(4, '.').collect();
    // No setting allows this value, so serde's error names what is allowed.
    let error = nested(&path, json!({ "": null })).expect_err("it is refused").to_string();
    let (fault, allowed) = error.rsplit_once("expected ").unwrap_or(("", &error));
    // A setting has no settings below it, although serde reads `{ memory = … }` as a variant.
    let is_in_section = nested(&path[..path.len() - 1], json!({})).is_ok();
    let is_setting = is_in_section && !fault.starts_with("unknown field");
    let mut readings = readings.into_iter().filter(|reading| is_setting || reading.is_object());
    match readings.find(|reading| nested(&path, reading.clone()).is_ok()) {
        Some(reading) => Ok(Value::deserialize(reading).expect("it was one")),
        None if is_setting => Err(Problem::new(format!("{origin}: allowed is {allowed}"))),
        // The value is left out: an unknown key may be a misspelt `password`.
        None => Err(Problem::new(format!("{place}: unknown setting; allowed is {allowed}"))),
    }
}

/// Deserializes settings that contain only `value`, at `path`.
///
/// It is JSON because that keeps types apart: `config` itself turns 1.5 into 2 and 1 into `true`.
fn nested(path: &[&str], value: Json) -> Result<Settings, serde_json::Error> {
    Settings::deserialize(path.iter().rev().fold(value, |value, name| json!({ *name: value })))
}

/// Shows a value unless it may contain a password.
///
/// A URL has too many places for a password to mask them safely. In a list of addresses, a password
/// needs one of the four characters.
fn shown(key: &str, value: &Json) -> String {
    let text = value.to_string();
    match key {
        "redis.url" | "redis.password" | "session.encryption_keys" => "(not shown)".to_owned(),
        "redis.sentinels" | "redis.cluster" if text.contains(['@', '?', '#', '%']) => {
            "(not shown)".to_owned()
        }
        _ if text.len() > 200 => "(a long value)".to_owned(),
        _ => text,
    }
}

/// Returns the first and the last line of the parser's message. The lines between quote the file,
/// which may contain a password.
fn brief(error: &config::ConfigError) -> String {
    let text = error.to_string();
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    Vec::from_iter([lines.next(), lines.next_back()].into_iter().flatten()).join(": ")
}
