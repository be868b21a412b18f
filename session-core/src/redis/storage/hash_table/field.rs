//! How an item stands in a field of a hash.
//!
//! As people would type it: a string without its quotes, unless it would then read as something
//! else (`"12"` is not `12`); everything else as its JSON text. So a field typed by hand just
//! works, types survive, and GoFrame reads and writes the same.

use std::borrow::Cow;

use serde_json::value::{RawValue, to_raw_value};

/// Writes an item as a field's text, such that [`read`] gives back the same item, byte for byte.
pub(super) fn write(item: &RawValue) -> Cow<'_, str> {
    let json = item.get();
    if json.starts_with('"')
        && let Ok(string) = serde_json::from_str::<String>(json)
        && serde_json::from_str::<&RawValue>(&string).is_err()
        // An escape that need not be one ("\u0041") would not come back.
        && serde_json::to_string(&string).is_ok_and(|again| again == json)
    {
        return Cow::Owned(string);
    }
    Cow::Borrowed(json)
}

/// Reads a field's text: JSON, or else a string. `None` if it is not UTF-8.
pub(super) fn read(field: &[u8]) -> Option<Box<RawValue>> {
    let text = std::str::from_utf8(field).ok()?;
    let item = serde_json::from_str::<&RawValue>(text).map(ToOwned::to_owned);
    Some(item.unwrap_or_else(|_| to_raw_value(text).expect("a string is always JSON")))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn item(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    fn assert_written(json: &str, field: &str) {
        assert_eq!(write(&item(json)), field, "{json}");
        assert_eq!(read(field.as_bytes()).unwrap().get(), json, "{field}");
    }

    #[test]
    fn a_string_is_written_without_quotes_where_it_cannot_be_mistaken() {
        for (json, field) in [
            (r#""bob""#, "bob"),
            (r#""""#, ""),
            (r#"" bob ""#, " bob "),
            (r#""say \"hi\"\n""#, "say \"hi\"\n"),
            (r#""[1""#, "[1"),
            (r#""012""#, "012"),
            (r#""+1""#, "+1"),
            (r#""NaN""#, "NaN"),
            (r#""True""#, "True"),
            ("\"\u{00a0}1\"", "\u{00a0}1"),
            (r#""größe 💡""#, "größe 💡"),
        ] {
            assert_written(json, field);
        }
    }

    #[test]
    fn a_string_that_is_itself_json_keeps_its_quotes() {
        for json in [
            r#""12""#,
            r#""-0""#,
            r#"" 12""#,
            r#""12 ""#,
            r#""\t12\n""#,
            r#""true""#,
            r#""null""#,
            r#""{}""#,
            r#""[1, 2]""#,
            r#""\"bob\"""#,
        ] {
            assert_written(json, json);
        }
    }

    #[test]
    fn a_string_with_escapes_of_its_own_keeps_them() {
        for json in [r#""\u0041""#, r#""a\/b""#, r#""\u00e9""#, r#""\ud800""#, r#""\uD83D\uDCA1""#]
        {
            assert_written(json, json);
        }
    }

    #[test]
    fn everything_else_is_its_json_text() {
        for json in [
            "42",
            "-0",
            "2.50",
            "1E5",
            "1e400",
            "9007199254740993",
            "18446744073709551615",
            "true",
            "null",
            "[ 1, {\"b\":1,\"a\":2} ]",
            "{}",
        ] {
            assert_written(json, json);
        }
    }

    #[test]
    fn what_goframe_writes_is_read() {
        for (field, json) in [
            ("1795247990", "1795247990"),
            ("hello", r#""hello""#),
            ("123", "123"),
            ("1000000000000000000000", "1000000000000000000000"),
            ("1", "1"),
            ("", r#""""#),
            (r#"{"a":[1,2]}"#, r#"{"a":[1,2]}"#),
            (r#""2026-11-21 10:20:30""#, r#""2026-11-21 10:20:30""#),
        ] {
            assert_eq!(read(field.as_bytes()).unwrap().get(), json, "{field}");
        }
    }

    #[test]
    fn g10_a_field_that_is_not_utf_8_is_no_item() {
        assert!(read(b"\xff").is_none());
        assert!(read(b"\"\xff\"").is_none());
    }

    fn any_json() -> impl Strategy<Value = String> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[ \t\n]{0,2}(-?[0-9]{1,4}|true|null|\\[\\]|\"a\"|)[ \t\n]{0,2}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
        .prop_map(|value| value.to_string())
    }

    proptest! {
        #[test]
        fn g11_whatever_item_is_written_is_read_again(json in any_json()) {
            let item = item(&json);
            let again = read(write(&item).as_bytes()).unwrap();
            prop_assert_eq!(again.get(), item.get());
        }

        #[test]
        fn g11_whatever_stands_in_a_field_is_an_item_that_can_be_written_again(
            field in prop_oneof![any::<String>(), "[\\[\\]{}\", 0-9.a-z\\\\]{0,8}", any_json()]
        ) {
            let item = read(field.as_bytes()).unwrap();
            let again = read(write(&item).as_bytes()).unwrap();
            prop_assert_eq!(again.get(), item.get());
        }

        #[test]
        fn g11_no_bytes_make_reading_panic(field in prop::collection::vec(any::<u8>(), 0..16)) {
            prop_assert_eq!(read(&field).is_some(), std::str::from_utf8(&field).is_ok());
        }
    }
}
