//! The kept inputs of this crate's fuzz targets: `claims`, `fields`, `records` and `snapshots`.

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod claims;
    pub(crate) mod fields;
    pub(crate) mod records;
    pub(crate) mod snapshots;
}
#[path = "../../tests/support/corpus.rs"]
mod corpus;

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
