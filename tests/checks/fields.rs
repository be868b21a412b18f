//! A field of a Redis hash.

#[path = "../../session-core/src/redis/storage/hash_table/field.rs"]
mod field;

use serde_json::value::{RawValue, to_raw_value};

/// Checks that a field of UTF-8 is an item, and that the item survives being written and read.
pub(crate) fn check(bytes: &[u8]) {
    let Some(item) = field::read(bytes) else {
        assert!(str::from_utf8(bytes).is_err());
        return;
    };
    survives(&item);
    let text = str::from_utf8(bytes).expect("any other field is no item");
    let expected = RawValue::from_string(text.to_owned());
    let as_text = || to_raw_value(text).expect("a text is always JSON");
    assert_eq!(item.get(), expected.unwrap_or_else(|_| as_text()).get());
    // The same text as an application would store it.
    survives(&as_text());
}

fn survives(item: &RawValue) {
    let written = field::write(item);
    let again = field::read(written.as_bytes()).expect("a written field is UTF-8");
    assert_eq!(again.get(), item.get());
    assert_eq!(field::write(&again), written);
}
