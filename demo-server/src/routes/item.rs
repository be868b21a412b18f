//! The values of items in requests.

use serde_json::value::RawValue;

/// Turns a parameter into an item: JSON byte for byte, any other text into a JSON string.
pub(super) fn into_item(value: String) -> Box<RawValue> {
    RawValue::from_string(value.clone()).unwrap_or_else(|_| {
        serde_json::value::to_raw_value(&value).expect("a string is always JSON")
    })
}
