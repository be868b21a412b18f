//! A session's file.

#[allow(dead_code, reason = "the storage uses the rest")]
#[path = "../../session-core/src/file/record.rs"]
mod record;

use record::{Record, Timestamp};
use session_core::{MAX_TTL, SessionId};

/// Checks that a file is a session, no session or a fault, and that a session is the same when
/// written and read again.
pub(crate) fn check(bytes: &[u8]) {
    let id = SessionId::parse("user-17").expect("the id is well-formed");
    let now = Timestamp::now();
    if let Ok(first) = str::from_utf8(bytes)
        && let Ok(expires) = Timestamp::parse_expiry(first, &id)
    {
        assert!(expires.time_left(now) <= MAX_TTL);
    }
    match Record::parse(bytes, &id, now) {
        Ok(Some(record)) => {
            assert!(record.expires > now && record.expires.time_left(now) <= MAX_TTL);
            let text = record.to_text(&id);
            assert_eq!(Record::parse(text.as_bytes(), &id, now), Ok(Some(record)));
        }
        Ok(None) => {}
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
}
