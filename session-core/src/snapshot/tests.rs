use super::*;

fn parse(text: &str) -> Snapshot {
    Snapshot::parse(text).unwrap().unwrap()
}

#[test]
fn items_keep_their_text_byte_for_byte() {
    let text = r#"{"":"","a":9007199254740993,"b":2.50,"c":1E5,"d":-0,"e":18446744073709551615,"f":1e400,"g":{"z":1,"a":[ ]},"é":"\u00e9"}"#;
    let snapshot = parse(text);
    assert_eq!(snapshot.to_json(), text);
    assert_eq!(snapshot.item("b"), Some("2.50"));
    assert_eq!(snapshot.item("f"), Some("1e400"));
    assert_eq!(snapshot.item("g"), Some(r#"{"z":1,"a":[ ]}"#));
    assert_eq!(snapshot.item(""), Some(r#""""#));
    assert_eq!(snapshot.item("é"), Some(r#""\u00e9""#));
    assert_eq!(snapshot.item("missing"), None);
}

#[test]
fn hand_edited_text_is_stored_as_it_is_and_printed_sorted() {
    let text = "\n{ \"b\" : 1,\t\"a\":[1, 2], \"b\":3 }\n";
    let snapshot = parse(text);
    assert_eq!(snapshot.stored(), text);
    assert_eq!(snapshot.to_json(), r#"{"a":[1, 2],"b":3}"#);
    assert_eq!(snapshot.len(), 2);
}

#[test]
fn a_text_that_has_the_canonical_length_by_chance_is_rewritten() {
    let snapshot = parse("{ \"a\":1,\"a\":2}");
    assert_eq!(snapshot.to_json(), r#"{"a":2}"#);
}

#[test]
fn keys_with_escapes_are_found_by_their_decoded_text() {
    let snapshot = parse(r#"{"a\"b":1,"\u0041":2}"#);
    assert_eq!(snapshot.item("a\"b"), Some("1"));
    assert_eq!(snapshot.item("A"), Some("2"));
    assert_eq!(snapshot.to_json(), r#"{"A":2,"a\"b":1}"#);
}

#[test]
fn metadata_is_no_item_and_keeps_an_empty_session() {
    let session = parse(r#"{"$meta":{"x":1},"a":1}"#);
    assert_eq!((session.len(), session.meta()), (1, Some(r#"{"x":1}"#)));
    assert_eq!((session.item("$meta"), session.item("a")), (None, Some("1")));
    assert_eq!(session.to_json(), r#"{"a":1}"#);
    assert!(session.iter().eq([("a", "1")]));
    let empty = parse("{ \"\\u0024meta\": {} }");
    assert!(empty.is_empty());
    assert_eq!((empty.to_json().as_ref(), empty.meta()), ("{}", Some("{}")));
}

#[test]
fn a_text_without_items_and_metadata_is_no_session() {
    for text in ["", "  \n", "{}", " { } "] {
        assert_eq!(Snapshot::parse(text), Ok(None), "{text:?}");
    }
}

#[test]
fn g10_anything_but_one_object_is_unreadable() {
    for text in [
        "[1]",
        "1",
        "null",
        "\"{}\"",
        "{",
        "{\"a\":1",
        "{\"a\":}",
        "{}{}",
        "{a:1}",
        "{\"a\":1,}",
        "{1:1}",
        "{\"a\":NaN}",
        "{\"\\ud800\":1}",
    ] {
        assert_eq!(Snapshot::parse(text), Err(Unreadable), "{text}");
    }
}

#[test]
fn g11_deep_nesting_is_an_item_like_any_other() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let snapshot = parse(&format!("{{\"deep\":{deep}}}"));
    assert_eq!(snapshot.item("deep"), Some(deep.as_str()));
    assert!(snapshot.get::<serde_json::Value>("deep").is_err());
}

#[test]
fn g12_neither_debug_nor_a_decoding_error_shows_a_value() {
    let snapshot = parse(r#"{"key":"secret"}"#);
    let error = snapshot.get::<u32>("key").unwrap_err();
    assert!(!format!("{snapshot:?} {error} {error:?}").contains("secret"));
}
