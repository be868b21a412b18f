//! The kept inputs of this crate's fuzz target, `cookies`.

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod cookies;
}
#[path = "../../tests/support/corpus.rs"]
mod corpus;

#[test]
fn g3_any_headers_make_few_questions_to_the_store_or_none() {
    corpus::replay("cookies", checks::cookies::check);
}
