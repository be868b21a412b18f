#![no_main]

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod cookies;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::cookies::check(bytes));
