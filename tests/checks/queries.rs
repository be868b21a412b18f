//! The demo's query string, and its values as `/get` shows them.

#[allow(dead_code, reason = "the routes use the rest")]
#[path = "../../demo-server/src/routes/pretty_json.rs"]
mod pretty_json;
#[allow(dead_code, reason = "the routes use the rest")]
#[path = "../../demo-server/src/routes/query.rs"]
mod query;

use query::Query;
use serde_json::value::{RawValue, to_raw_value};

/// Checks that a query is refused, or that it is the same when it is encoded and read again.
pub(crate) fn check(bytes: &[u8]) {
    // HTTP lets no other query through than text.
    let Ok(text) = str::from_utf8(bytes) else { return };
    let Ok(pairs) = Query::parse(text) else {
        return assert!(text.contains('%') && Query::keys(text).is_err());
    };
    let pairs: Vec<(String, String)> = pairs.into_iter().collect();
    let encode = |text: &str| text.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let encoded: Vec<String> =
        pairs.iter().map(|(key, value)| format!("{}={}", encode(key), encode(value))).collect();
    let again = Query::parse(&encoded.join("&")).expect("it is percent-encoded UTF-8");
    assert!(again.into_iter().eq(pairs.iter().cloned()));
    let is_of_keys = pairs.iter().all(|(name, _)| name == "key");
    assert_eq!(Query::keys(text).is_ok(), is_of_keys);
    for (_, value) in pairs {
        is_shown_as_it_is(&value);
    }
}

/// Checks that `/get` shows the same JSON to people as it is stored.
fn is_shown_as_it_is(value: &str) {
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
