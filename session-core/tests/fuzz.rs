//! Whatever bytes come, whoever has written them: no panic, and what is understood is understood
//! once and for all.

#[path = "../../tests/support/fuzz.rs"]
mod fuzz;

#[path = "../src/redis/storage/hash_table/field.rs"]
mod field;
#[allow(dead_code, reason = "what the storage alone needs")]
#[path = "../src/file/record.rs"]
mod record;

use std::{borrow::Cow, collections::BTreeMap};

use fuzz::fuzz;
use record::Record;
use serde_json::value::{RawValue, to_raw_value};
// `record` finds them here as it does in its crate.
use session_core::{MAX_TTL, SessionId, Snapshot};

#[test]
fn g3_any_claim_is_an_id_of_the_plain_syntax_or_none() {
    fuzz("claims", |bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return };
        let is_plain = |char: char| matches!(char, 'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-');
        let is_id = (1..=128).contains(&text.chars().count()) && text.chars().all(is_plain);
        match SessionId::parse(text) {
            Ok(id) => {
                assert!(is_id);
                assert_eq!(id.as_str(), text);
                assert!(!format!("{id:?}").contains(text), "all of it is shown");
            }
            Err(_) => assert!(!is_id),
        }
    });
}

#[test]
fn g11_any_field_is_an_item_that_survives_its_way_to_redis_and_back() {
    fuzz("fields", |bytes| {
        let Some(item) = field::read(bytes) else {
            assert!(str::from_utf8(bytes).is_err());
            return;
        };
        survives(&item);
        let text = str::from_utf8(bytes).expect("else there is no item");
        let meant = RawValue::from_string(text.to_owned());
        let as_text = || to_raw_value(text).expect("a text is always JSON");
        assert_eq!(item.get(), meant.unwrap_or_else(|_| as_text()).get());
        // The same text as it would come from an application.
        survives(&as_text());
    });
}

fn survives(item: &RawValue) {
    let written = field::write(item);
    let again = field::read(written.as_bytes()).expect("what is written is text");
    assert_eq!(again.get(), item.get());
    assert_eq!(field::write(&again), written);
}

#[test]
fn g11_any_file_is_a_session_no_session_or_a_fault() {
    let id = SessionId::parse("user-17").unwrap();
    fuzz("records", |bytes| {
        if let Ok(first) = str::from_utf8(bytes)
            && let Ok(expires) = record::Expiry::parse(first, &id)
        {
            assert!(expires.time_left() <= MAX_TTL);
        }
        match Record::parse(bytes, &id) {
            Ok(Some(record)) => {
                assert!(!record.expires.is_past() && record.expires.time_left() <= MAX_TTL);
                let text = record.to_text(&id);
                assert_eq!(Record::parse(text.as_bytes(), &id), Ok(Some(record)));
            }
            Ok(None) => {}
            Err(fault) => assert!(!fault.to_string().is_empty()),
        }
    });
}

#[test]
fn g11_any_stored_json_is_read_as_serde_json_reads_it() {
    fuzz("snapshots", |bytes| {
        let Ok(text) = str::from_utf8(bytes) else { return };
        // Knows nothing of spans, of what is canonical, nor of what is borrowed.
        type Items<'a> = BTreeMap<Cow<'a, str>, &'a RawValue>;
        let meant = serde_json::from_str::<Items<'_>>(text);
        let snapshot = match Snapshot::parse(text) {
            Err(_) => return assert!(meant.is_err() && !text.trim_ascii().is_empty()),
            Ok(None) => return assert!(meant.map_or(true, |items| items.is_empty())),
            Ok(Some(snapshot)) => snapshot,
        };
        let meant = meant.expect("it was understood");
        let meant = meant.iter().map(|(key, item)| (&**key, item.get()));
        assert!(snapshot.iter().eq(meant.clone()));
        assert_eq!((snapshot.stored(), snapshot.len()), (text, meant.clone().count()));
        for (key, item) in meant {
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
    });
}
