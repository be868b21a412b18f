//! Unusual items and keys.

use serde_json::value::RawValue;

use super::subject::{CheckResult, HOUR, Subject, change, ensure, set};
use crate::{Changes, RenameOptions, SessionId, SetOptions, Written};

const ITEMS: &[&str] = &[
    // Numbers that a conversion to a float would change.
    "9007199254740993",
    "18446744073709551615",
    "-9223372036854775809",
    "2.50",
    "1E5",
    "-0",
    "-0.0",
    "1e400",
    "0.1000000000000000055511151231257827",
    "0",
    "42",
    "null",
    "true",
    "false",
    // Strings that look like other JSON.
    r#""""#,
    r#""a""#,
    r#""123""#,
    r#""1E5""#,
    r#""true""#,
    r#""null""#,
    r#""{}""#,
    r#""[1""#,
    r#"" 5""#,
    r#""5 ""#,
    r#"" ""#,
    r#""\"quoted\"""#,
    // Strings that have other spellings.
    r#""\u00e9""#,
    r#""a\u0062""#,
    r#""\/""#,
    r#""/""#,
    r#""\n\t\\""#,
    r#""\u0000""#,
    r#""\ud83d\ude00""#,
    // Half a surrogate pair: valid JSON, but not valid text.
    r#""\ud800""#,
    "\"é\"",
    "\"日本語 😀 \u{7f} \u{2028}\"",
    // Structures, whose order, spaces and duplicate keys must survive.
    "{}",
    "[]",
    "[ ]",
    r#"{"z":1,"a":{"y":2.50,"b":[ 1 , 2 ]},"":0}"#,
    r#"{"a":1,"a":2}"#,
    "[1,\n 2]",
    r#"[[],{},"",null,-0]"#,
];

const KEYS: &[&str] = &[
    "",
    " ",
    "a",
    "A",
    "a ",
    "a.b",
    "a:b",
    "a/b",
    "é",
    "e\u{301}",
    "日本語 😀",
    "a\"b",
    "a\\b",
    "line\nbreak",
    "tab\t",
    "nul\0",
    "\u{7f}",
    "\u{2028}",
    "{}",
    "123",
    "null",
];

pub(super) async fn items_survive_byte_for_byte(subject: Subject) -> CheckResult {
    let id = SessionId::random();
    let deep = format!("{}{}", "[".repeat(1_000), "]".repeat(1_000));
    let mut changes = Changes::new();
    for (number, item) in ITEMS.iter().copied().chain([deep.as_str()]).enumerate() {
        changes.set(format!("{number:03}"), json(item));
    }
    let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
    ensure!(written == Written::Saved, "creating a session returned {written:?}");
    ensure_changes(&subject, &id, &changes).await?;

    // Items are also rewritten when another one changes, and moved by a rename.
    subject.update(&id, &set(r#"{"other":1}"#)).await?;
    subject.update(&id, &change("{}", &["other"])).await?;
    ensure_changes(&subject, &id, &changes).await?;
    let moved = SessionId::random();
    ensure!(
        subject.rename(&id, &moved, RenameOptions::default()).await?,
        "rename did not find the session"
    );
    ensure_changes(&subject, &moved, &changes).await
}

pub(super) async fn keys_survive_byte_for_byte(subject: Subject) -> CheckResult {
    let mut changes = Changes::new();
    let long = "k".repeat(1_000);
    for (number, key) in KEYS.iter().copied().chain([long.as_str()]).enumerate() {
        changes.set(key, json(&number.to_string()));
    }
    let id = SessionId::random();
    let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
    ensure!(written == Written::Saved, "creating a session returned {written:?}");
    ensure_changes(&subject, &id, &changes).await?;
    for key in KEYS {
        let written = subject.update(&id, &change("{}", &[key])).await?;
        ensure!(written == Written::Saved, "removing the key {key:?} returned {written:?}");
        ensure!(!subject.contains(&id, key).await?, "the key {key:?} was not removed");
    }
    ensure!(subject.get_size(&id).await? == 1, "removing keys one by one removed others");
    Ok(())
}

pub(super) async fn large_sessions_survive_byte_for_byte(subject: Subject) -> CheckResult {
    let mut changes = Changes::new();
    changes.set("large", json(&format!("\"{}\"", "é".repeat(200_000))));
    for number in 0..1_000 {
        changes.set(format!("item-{number}"), json(&number.to_string()));
    }
    let id = SessionId::random();
    let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
    ensure!(written == Written::Saved, "creating a large session returned {written:?}");
    let size = subject.get_size(&id).await?;
    ensure!(size == 1_001, "get_size counted {size} of 1001 items");
    let session = subject.session(&id).await?;
    let is_same =
        session.iter().eq(changes.iter().map(|(key, item)| (key, item.map_or("", RawValue::get))));
    ensure!(is_same, "a large session was read back changed");
    Ok(())
}

pub(super) async fn reads_of_single_items_agree_with_the_whole_session(
    subject: Subject,
) -> CheckResult {
    let id = subject.create(r#"{"":0,"a":{"b":1},"null":null}"#).await?;
    let session = subject.session(&id).await?;
    for key in ["", "a", "null", "b", "A", "absent"] {
        let (whole, single) = (session.item(key), subject.get(&id, key).await?);
        let single = single.as_deref().map(RawValue::get);
        ensure!(single == whole, "get({key:?}) returned {single:?} instead of {whole:?}");
        let contains = subject.contains(&id, key).await?;
        ensure!(contains == whole.is_some(), "contains({key:?}) returned {contains}");
    }
    let size = subject.get_size(&id).await?;
    ensure!(size == session.len(), "get_size counted {size} of 3 items");
    Ok(())
}

/// Checks that a session has the items it was created with, both read whole and one by one.
async fn ensure_changes(subject: &Subject, id: &SessionId, changes: &Changes) -> CheckResult {
    let session = subject.session(id).await?;
    for (key, item) in changes.iter() {
        let item = item.map(RawValue::get);
        let whole = session.item(key);
        ensure!(whole == item, "get_session read {item:?} at {key:?} as {whole:?}");
        let single = subject.get(id, key).await?;
        let single = single.as_deref().map(RawValue::get);
        ensure!(single == item, "get read {item:?} at {key:?} as {single:?}");
    }
    let size = session.len();
    let expected = changes.iter().count();
    ensure!(size == expected, "the session has {size} items instead of {expected}");
    Ok(())
}

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("the suite's own items are JSON")
}
