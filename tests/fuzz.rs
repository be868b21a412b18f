//! The kept inputs of the demo's fuzz targets, `queries` and `settings`.

mod checks {
    pub(crate) mod queries;
    pub(crate) mod settings;
}
#[path = "support/corpus.rs"]
mod corpus;
#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../demo-server/src/settings/mod.rs"]
mod settings;
#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../demo-server/src/storage.rs"]
mod storage;

#[test]
fn g11_any_query_is_refused_or_understood_and_can_be_said_again() {
    corpus::replay("queries", checks::queries::check);
}

#[test]
fn g11_any_configuration_is_refused_in_one_line_or_understood() {
    corpus::replay("settings", checks::settings::check);
}
