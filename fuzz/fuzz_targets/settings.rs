#![no_main]

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod settings;
}
#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../../demo-server/src/settings/mod.rs"]
mod settings;
#[allow(dead_code, reason = "the server uses the rest")]
#[path = "../../demo-server/src/storage.rs"]
mod storage;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::settings::check(bytes));
