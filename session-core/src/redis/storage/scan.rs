//! Listing the sessions by their keys.

use super::{
    super::{client::Position, handle::Redis},
    form::Form,
};
use crate::{Error, Page, Result, SessionId};

/// Returns the ids of some of the sessions that are stored in a form. One round trip.
///
/// A key that is not the prefix and an id is none of a session.
pub(super) async fn scan(redis: &Redis, form: Form, page: Option<&str>) -> Result<Page> {
    let unknown = || Error::storage("redis", "there is no such page of sessions");
    let position = match page {
        Some(page) => Position::parse(page).ok_or_else(unknown)?,
        None => Position::default(),
    };
    let pattern = pattern(redis.prefix());
    let (keys, next) = redis.client().scan(position, &pattern, form.type_name()).await?;
    let id = |key: &Vec<u8>| {
        let id = key.strip_prefix(redis.prefix().as_bytes())?;
        SessionId::parse(str::from_utf8(id).ok()?).ok()
    };
    Ok(Page::new(keys.iter().filter_map(id).collect(), next.map(|next| next.text())))
}

/// Returns a pattern of the keys that begin with a prefix.
fn pattern(prefix: &str) -> String {
    let mut pattern = String::with_capacity(prefix.len() + 1);
    for character in prefix.chars() {
        if matches!(character, '*' | '?' | '[' | ']' | '\\') {
            pattern.push('\\');
        }
        pattern.push(character);
    }
    pattern.push('*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_stands_for_itself() {
        assert_eq!(pattern("session:"), "session:*");
        assert_eq!(pattern(""), "*");
        assert_eq!(pattern(r"a*b?[c]\"), r"a\*b\?\[c\]\\*");
    }
}
