#![no_main]

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod queries;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::queries::check(bytes));
