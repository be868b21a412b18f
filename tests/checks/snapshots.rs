//! A session's stored JSON text.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::value::RawValue;
use session_core::Snapshot;

/// Checks that a snapshot has the items that `serde_json` reads, and prints them sorted.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    // A plain map, without the shortcuts that a snapshot takes for sorted and unescaped keys.
    type Items<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;
    let expected = serde_json::from_str::<Items<'_>>(text);
    let snapshot = match Snapshot::parse(text) {
        Err(_) => return assert!(expected.is_err() && !text.trim_ascii().is_empty()),
        Ok(None) => return assert!(expected.map_or(true, |items| items.is_empty())),
        Ok(Some(snapshot)) => snapshot,
    };
    let expected = expected.expect("the snapshot was read");
    let expected = expected.iter().map(|(key, item)| (&**key, item.get()));
    assert!(snapshot.iter().eq(expected.clone()));
    assert_eq!((snapshot.stored(), snapshot.len()), (text, expected.clone().count()));
    for (key, item) in expected {
        assert_eq!(snapshot.item(key), Some(item));
        // Too deep, too large, half a surrogate: an error at most.
        let _ = snapshot.get::<serde_json::Value>(key);
        let _ = snapshot.get::<String>(key);
    }
    let members = snapshot.iter().map(|(key, item)| {
        let key = serde_json::to_string(key).expect("a text is always JSON");
        format!("{key}:{item}")
    });
    let sorted = format!("{{{}}}", members.collect::<Vec<_>>().join(","));
    assert_eq!(snapshot.to_json(), sorted);
    assert_eq!(Snapshot::parse(&*sorted).expect("JSON").expect("with items").to_json(), sorted);
}
