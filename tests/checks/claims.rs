//! A session id as a client sends it.

use session_core::SessionId;

/// Checks that exactly the texts of the plain syntax are ids.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let is_plain = |char: char| matches!(char, 'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '-');
    let is_id = (1..=128).contains(&text.chars().count()) && text.chars().all(is_plain);
    match SessionId::parse(text) {
        Ok(id) => {
            assert!(is_id);
            assert_eq!(id.as_str(), text);
            assert!(!format!("{id:?}").contains(text), "the whole id is shown");
        }
        Err(_) => assert!(!is_id),
    }
}
