#![no_main]

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod fields;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::fields::check(bytes));
