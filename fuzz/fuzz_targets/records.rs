#![no_main]

#[path = "../../tests/checks"]
mod checks {
    pub(crate) mod records;
}

// `record.rs` finds them here as it does in its crate.
use session_core::{MAX_TTL, SessionId, Snapshot};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::records::check(bytes));
