//! Whatever stands in a query or a configuration, no panic, and one clear answer.

#[path = "support/fuzz.rs"]
mod fuzz;

#[allow(dead_code, reason = "what the routes alone need")]
#[path = "../demo-server/src/routes/pretty_json.rs"]
mod pretty_json;
#[allow(dead_code, reason = "what the routes alone need")]
#[path = "../demo-server/src/routes/query.rs"]
mod query;
#[allow(dead_code, reason = "what the server alone needs")]
#[path = "../demo-server/src/settings/mod.rs"]
mod settings;
#[allow(dead_code, reason = "what the server alone needs")]
#[path = "../demo-server/src/storage.rs"]
mod storage;

use fuzz::fuzz;
use query::Query;
use serde_json::value::{RawValue, to_raw_value};
use session_actix::SessionMiddleware;
use session_core::{Manager, MemoryStorage};
use settings::{Problem, Settings};

#[test]
fn g11_any_query_is_refused_or_understood_and_can_be_said_again() {
    fuzz("queries", |bytes| {
        // What HTTP lets through as a query is text.
        let Ok(text) = str::from_utf8(bytes) else { return };
        let Ok(pairs) = Query::parse(text) else {
            return assert!(text.contains('%') && Query::keys(text).is_err());
        };
        let pairs: Vec<(String, String)> = pairs.into_iter().collect();
        let said: Vec<String> = pairs
            .iter()
            .map(|(key, value)| format!("{}={}", encoded(key), encoded(value)))
            .collect();
        let again = Query::parse(&said.join("&")).expect("it is percent-encoded UTF-8");
        assert!(again.into_iter().eq(pairs.iter().cloned()));
        let is_of_keys = pairs.iter().all(|(name, _)| name == "key");
        assert_eq!(Query::keys(text).is_ok(), is_of_keys);
        for (_, value) in pairs {
            shown(&value);
        }
    });
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// What `/get` shows to people is the same JSON as it is stored.
fn shown(value: &str) {
    let item = RawValue::from_string(value.to_owned())
        .unwrap_or_else(|_| to_raw_value(value).expect("a text is always JSON"));
    let lines = pretty_json::indent(item.get());
    let again = RawValue::from_string(lines.clone()).expect("it is still JSON");
    assert_eq!(pretty_json::indent(again.get()), lines);
    let values = [item.get(), &lines].map(serde_json::from_str::<serde_json::Value>);
    if let [Ok(before), Ok(after)] = &values {
        assert_eq!(before, after);
    }
    assert_eq!(values[0].is_ok(), values[1].is_ok());
}

#[test]
fn g11_any_configuration_is_refused_in_one_line_or_understood() {
    let runtime = actix_rt::Runtime::new().expect("a runtime");
    fuzz("settings", |bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return };
        let (file, variables) = text.split_once("\n# environment\n").unwrap_or((text, ""));
        let variables = variables.lines().filter_map(|line| line.split_once('='));
        // The operating system has none with a zero in it.
        let variables =
            variables.filter(|(name, value)| !name.contains('\0') && !value.contains('\0'));
        let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::from_text("demo.toml", file, Some(environment.collect()));
        let read = settings.and_then(|settings| runtime.block_on(async { started(&settings) }));
        if let Err(problem) = read {
            let line = problem.to_string();
            assert!(!line.is_empty() && !line.contains(char::is_control), "{line:?}");
        }
    });
}

/// What the server makes of its settings before it touches anything.
fn started(settings: &Settings) -> Result<(), Problem> {
    let complain = |error| settings.problem(&["redis.url"], error);
    storage::redis(settings)?;
    let manager = Manager::builder(MemoryStorage::new())
        .ttl(settings.session.max_age)
        .touch_interval(settings.session.touch_interval)
        .build()
        .map_err(complain)?;
    let mut sessions = SessionMiddleware::builder(manager).cookie(settings.session.cookie.config());
    if let Some(header) = &settings.session.header {
        sessions = sessions.header(header);
    }
    sessions.build().map(drop).map_err(complain)
}
