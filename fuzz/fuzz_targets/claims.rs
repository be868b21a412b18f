#![no_main]

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod claims;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::claims::check(bytes));
