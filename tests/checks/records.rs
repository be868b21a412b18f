//! A session's file.

#[allow(dead_code, reason = "the storage uses the rest")]
#[path = "../../session-core/src/file/record.rs"]
mod record;

use record::{Expiry, Record};
use session_core::{MAX_TTL, SessionId};

/// Checks that a file is a session, no session or a fault, and that a session is the same when
/// written and read again.
pub(crate) fn check(bytes: &[u8]) {
    let id = SessionId::parse("user-17").expect("the id is well-formed");
    if let Ok(first) = str::from_utf8(bytes)
        && let Ok(expires) = Expiry::parse(first, &id)
    {
        assert!(expires.time_left() <= MAX_TTL);
    }
    match Record::parse(bytes, &id) {
        Ok(Some(record)) => {
            assert!(!record.expires.is_past() && record.expires.time_left() <= MAX_TTL);
            let text = record.to_text(&id);
            assert_eq!(Record::parse(text.as_bytes(), &id), Ok(Some(record)));
        }
        Ok(None) => {}
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}
