//! What both forms of a stored session share: existence, time to live, renaming.

use std::time::Duration;

use deadpool_redis::redis::Value;

use super::{
    super::client::{Effect, Key, Operation},
    lua,
};
use crate::{
    MAX_TTL, RenameOptions, Result, TtlRange,
    snapshot::{MARKER_META, MARKER_TEXT},
};

/// How a session is stored.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A string: the JSON of all items.
    String,
    /// A hash: a field for each item.
    Hash,
}

impl Form {
    /// Returns the command that measures a key of this form, which fails for any other type, and
    /// the largest size that counts as no session: nothing stored, or `{}`.
    fn measure(self) -> [&'static [u8]; 2] {
        match self {
            Self::String => [b"STRLEN", b"2"],
            Self::Hash => [b"HLEN", b"0"],
        }
    }

    /// Returns a marker as the scripts take it: as text, or as metadata.
    fn marker(self) -> &'static [u8] {
        match self {
            Self::String => MARKER_TEXT.as_bytes(),
            Self::Hash => MARKER_META.as_bytes(),
        }
    }

    /// Brings the time to live into a range. One round trip.
    pub(super) async fn update_ttl(self, operation: &Operation<'_>, ttl: TtlRange) -> Result<bool> {
        let range = [ttl.at_least, ttl.at_most.max(ttl.at_least)].map(millis);
        Ok(self.clamp_ttl(operation, range).await?.is_some())
    }

    /// Returns the time left. One round trip.
    pub(super) async fn expires_in(self, operation: &Operation<'_>) -> Result<Option<Duration>> {
        let left = self.clamp_ttl(operation, [0, 0]).await?;
        // A negative answer is a key without a time to live, written by hand. Its next use adds one.
        Ok(left.map(|left| u64::try_from(left).map_or(MAX_TTL, Duration::from_millis)))
    }

    async fn clamp_ttl(self, operation: &Operation<'_>, range: [u64; 2]) -> Result<Option<i64>> {
        let [measure, none] = self.measure();
        let [at_least, at_most] = range.map(|millis| millis.to_string());
        let args = [measure, none, at_least.as_bytes(), at_most.as_bytes(), self.marker()];
        let call = lua::CLAMP_TTL.call(&[operation.key()], &args);
        Ok(match operation.run(call, Effect::Repeatable).await? {
            Value::Int(left) => Some(left),
            _ => None,
        })
    }

    /// Renames a session in one step, on the one server that holds both keys. One round trip.
    pub(super) async fn rename(
        self,
        operation: &Operation<'_>,
        to: Key<'_>,
        options: RenameOptions,
    ) -> Result<bool> {
        let [measure, none] = self.measure();
        let grace = grace_millis(options.grace).to_string();
        let args = [measure, none, self.marker(), grace.as_bytes()];
        let call = lua::RENAME.call(&[operation.key(), to], &args);
        Ok(operation.run(call, Effect::Once).await? == Value::Int(1))
    }
}

/// Converts the time that a marker remains to milliseconds: 0 for no marker.
pub(super) fn grace_millis(grace: Duration) -> u64 {
    if grace.is_zero() { 0 } else { millis(grace) }
}

/// Converts a time to live to the milliseconds that Redis takes.
pub(super) fn millis(ttl: Duration) -> u64 {
    let longest = u64::try_from(MAX_TTL.as_millis()).expect("ten years fit");
    // Redis rejects zero, or removes the key.
    u64::try_from(ttl.as_millis()).unwrap_or(longest).clamp(1, longest)
}
