//! What both forms of a stored session have in common: a key, its type and its time to live.

use std::time::Duration;

use deadpool_redis::redis::Value;

use super::{
    operation::{Effect, Operation},
    script,
};
use crate::{MAX_TTL, Result, SessionId};

/// How a session is stored.
#[derive(Clone, Copy)]
pub(super) enum Form {
    /// A string: the JSON of all items.
    Text,
    /// A hash: a field for each item.
    Fields,
}

impl Form {
    /// The command that measures a key of this form, which fails for any other, and the measure
    /// up to which there is no session: nothing stored, or `{}`.
    fn measure(self) -> [&'static [u8]; 2] {
        match self {
            Self::Text => [b"STRLEN", b"2"],
            Self::Fields => [b"HLEN", b"0"],
        }
    }

    /// Extends the time to live; never shortens it. One round trip.
    pub(super) async fn update_ttl(self, operation: &Operation<'_>, ttl: Duration) -> Result<bool> {
        // Twice is as good as once: it only ever extends.
        Ok(self.lifetime(operation, millis(ttl)).await?.is_some())
    }

    /// Asks for the time left. One round trip.
    pub(super) async fn expires_in(self, operation: &Operation<'_>) -> Result<Option<Duration>> {
        let left = self.lifetime(operation, 0).await?;
        // Without a time to live it was written by hand, and gets one on its next use.
        Ok(left.map(|left| u64::try_from(left).map_or(MAX_TTL, Duration::from_millis)))
    }

    async fn lifetime(self, operation: &Operation<'_>, extend_to: u64) -> Result<Option<i64>> {
        let [measure, none] = self.measure();
        let (key, extend_to) = (operation.key(), extend_to.to_string());
        let args = [measure, none, extend_to.as_bytes()];
        let answer =
            operation.run(script::LIFETIME.call(&[key], &args), Effect::Repeatable).await?;
        Ok(match answer {
            Value::Int(left) => Some(left),
            _ => None,
        })
    }

    /// Gives a session another id, in one step on the one server that has both keys. One round
    /// trip.
    pub(super) async fn rename(self, operation: &Operation<'_>, to: &SessionId) -> Result<bool> {
        let (from, to) = (operation.key(), operation.key_of(to));
        let answer =
            operation.run(script::RENAME.call(&[from, to], &self.measure()), Effect::Once).await?;
        Ok(answer == Value::Int(1))
    }
}

/// A time to live as Redis takes it.
pub(super) fn millis(ttl: Duration) -> u64 {
    let longest = u64::try_from(MAX_TTL.as_millis()).expect("ten years fit");
    // Redis takes no zero, and removes the key where it does.
    u64::try_from(ttl.as_millis()).unwrap_or(longest).clamp(1, longest)
}
