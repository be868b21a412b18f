//! What both forms of a stored session share: existence, time to live, renaming.

use std::time::Duration;

use deadpool_redis::redis::Value;
use serde_json::value::RawValue;

use super::{
    super::client::{Effect, Key, Operation},
    lua,
};
use crate::{Lifetime, MAX_TTL, RenameOptions, Result, Snapshot, TtlRange, lifetime::now_millis};

/// How a session is stored.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A string: the JSON of all items.
    String,
    /// A hash: a field for each item.
    Hash,
}

impl Form {
    /// Returns the form as the scripts take it.
    fn name(self) -> &'static [u8] {
        self.type_name().as_bytes()
    }

    /// Returns the type of the keys, as Redis calls it.
    pub(super) fn type_name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Hash => "hash",
        }
    }

    /// Brings the time to live into a range. One round trip.
    pub(super) async fn update_ttl(self, operation: &Operation<'_>, ttl: TtlRange) -> Result<bool> {
        let range = [ttl.at_least, ttl.at_most.max(ttl.at_least)].map(millis);
        Ok(self.clamp_ttl(operation, range, ttl.lifetime).await?.is_some())
    }

    /// Brings the time to live into a range, and returns the metadata. One round trip.
    pub(super) async fn update_ttl_with_metadata(
        self,
        operation: &Operation<'_>,
        ttl: TtlRange,
    ) -> Result<Option<Snapshot>> {
        let range = [ttl.at_least, ttl.at_most.max(ttl.at_least)].map(millis);
        Ok(match self.run_clamp(operation, range, ttl.lifetime, true).await? {
            Value::Array(answer) => Some(metadata_of(answer.into_iter().nth(1))),
            // Without metadata.
            Value::Int(_) => Some(Snapshot::of_meta(None)),
            _ => None,
        })
    }

    /// Returns the time left. One round trip.
    pub(super) async fn expires_in(self, operation: &Operation<'_>) -> Result<Option<Duration>> {
        let left = self.clamp_ttl(operation, [0, 0], Lifetime::exactly(MAX_TTL)).await?;
        // A negative answer is a key without a time to live, written by hand. Its next use adds
        // one.
        Ok(left.map(|left| u64::try_from(left).map_or(MAX_TTL, Duration::from_millis)))
    }

    async fn clamp_ttl(
        self,
        operation: &Operation<'_>,
        range: [u64; 2],
        lifetime: Lifetime,
    ) -> Result<Option<i64>> {
        Ok(match self.run_clamp(operation, range, lifetime, false).await? {
            Value::Int(left) => Some(left),
            _ => None,
        })
    }

    async fn run_clamp(
        self,
        operation: &Operation<'_>,
        range: [u64; 2],
        lifetime: Lifetime,
        wants_metadata: bool,
    ) -> Result<Value> {
        let [at_least, at_most] = range.map(|millis| millis.to_string());
        let lifetime = lifetime_text(lifetime);
        let args =
            [self.name(), at_least.as_bytes(), at_most.as_bytes(), lifetime.as_bytes(), b"meta"];
        let args = if wants_metadata { &args } else { &args[..4] };
        let call = lua::CLAMP_TTL.call(&[operation.key()], args);
        operation.run(call, Effect::Repeatable).await
    }

    /// Renames a session in one step, on the one server that holds both keys. One round trip.
    pub(super) async fn rename(
        self,
        operation: &Operation<'_>,
        to: Key<'_>,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        let marker = Snapshot::marker(options.salt);
        let marker = match self {
            Self::String => marker.stored(),
            Self::Hash => marker.meta().expect("a marker is metadata"),
        };
        let grace = grace_millis(options.grace).to_string();
        let args = [self.name(), marker.as_bytes(), grace.as_bytes()];
        let call = lua::RENAME.call(&[operation.key(), to], &args);
        let is_renamed = operation.run(call, Effect::Once).await? == Value::Int(1);
        if is_renamed {
            operation.note_size(0);
        }
        Ok(is_renamed)
    }
}

/// Returns a session of this metadata alone.
pub(super) fn metadata_of(text: Option<Value>) -> Snapshot {
    let text = text.and_then(|text| match text {
        Value::BulkString(text) => String::from_utf8(text).ok(),
        _ => None,
    });
    // It goes into a JSON text.
    let text = text.filter(|text| serde_json::from_str::<&RawValue>(text).is_ok());
    Snapshot::of_meta(text.as_deref())
}

/// Returns a lifetime as the scripts take it: the time to live and, unless it is exact, a comma;
/// with an absolute one also that and the time now.
pub(super) fn lifetime_text(lifetime: Lifetime) -> String {
    let ttl = millis(lifetime.ttl);
    match lifetime.absolute {
        _ if lifetime.is_exact() => ttl.to_string(),
        None => format!("{ttl},"),
        Some(absolute) => format!("{ttl},{},{}", millis(absolute), now_millis()),
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
