#![no_main]

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod snapshots;
}

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::snapshots::check(bytes));
