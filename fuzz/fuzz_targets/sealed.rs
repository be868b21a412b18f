#![no_main]

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod sealed;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::sealed::check(bytes));
