//! The kept inputs of this crate's fuzz targets: `claims`, `fields`, `records`, `sealed` and
//! `snapshots`.

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod claims;
    pub(crate) mod fields;
    pub(crate) mod records;
    pub(crate) mod sealed;
    pub(crate) mod snapshots;
}
#[path = "../../tests/support/corpus.rs"]
mod corpus;

use proptest::{prelude::*, sample};
// `record.rs` finds them here as it does in its crate.
use session_core::{MAX_TTL, SessionId, Snapshot};

#[test]
fn g3_any_claim_is_an_id_of_the_plain_syntax_or_none() {
    corpus::replay("claims", checks::claims::check);
}

#[test]
fn g11_any_field_is_an_item_that_survives_its_way_to_redis_and_back() {
    corpus::replay("fields", checks::fields::check);
}

#[test]
fn g11_any_file_is_a_session_no_session_or_a_fault() {
    corpus::replay("records", checks::records::check);
}

#[test]
fn g11_any_stored_json_is_read_as_serde_json_reads_it() {
    corpus::replay("snapshots", checks::snapshots::check);
}

#[test]
fn g18_any_text_of_an_item_is_served_as_it_was_encrypted_or_as_it_is_or_not_at_all() {
    corpus::replay("sealed", checks::sealed::check);
}

#[test]
fn g18_no_bit_of_an_encrypted_item_can_be_changed() {
    let inputs = corpus::read("sealed").into_iter();
    for input in inputs.filter(|input| input.name.starts_with("good")) {
        let text = str::from_utf8(&input.bytes).expect("encrypted items are ASCII");
        checks::sealed::check_every_bit(text);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn g18_texts_like_encrypted_items_are_no_others(text in like_encrypted(), bit: usize) {
        checks::sealed::check(format!("{bit}\n{text}").as_bytes());
    }
}

/// Strings and other JSON, in which parts of encrypted items are put together.
fn like_encrypted() -> impl Strategy<Value = String> {
    // Of two encrypted items, one in two parts.
    let part = sample::select(vec![
        "$sealed:",
        "\\u0024sealed",
        ":",
        "$",
        "ycmjSzVPA_NPp3Ek",
        "5oIzjO1xkss_",
        "lNwEUzSHBOowEzqVyRHX3wWhSkQA",
        "A",
        "-_",
        "+/",
        "=",
        "\\n",
        "\\ud800",
        "\u{e9}",
        "\"",
    ]);
    let string = proptest::collection::vec(part, 0..5).prop_map(|parts| parts.concat());
    prop_oneof![
        4 => string.prop_map(|string| format!("\"{string}\"")),
        1 => any::<String>().prop_map(|text| serde_json::to_string(&text).expect("a text")),
        1 => any::<f64>().prop_map(|number| serde_json::json!([number]).to_string()),
    ]
}
