//! The key that a session is stored under.

use std::io::Write as _;

use deadpool_redis::redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};

use crate::SessionId;

/// The prefix and the id, written into commands without being put together before.
#[derive(Clone, Copy)]
pub(super) struct Key<'a> {
    pub(super) prefix: &'a str,
    pub(super) id: &'a SessionId,
}

impl Key<'_> {
    pub(super) fn text(self) -> String {
        [self.prefix, self.id.as_str()].concat()
    }

    /// In bytes.
    pub(super) fn length(self) -> usize {
        self.prefix.len() + self.id.as_str().len()
    }
}

impl ToRedisArgs for Key<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut arg = out.writer_for_next_arg();
        for part in [self.prefix, self.id.as_str()] {
            arg.write_all(part.as_bytes()).expect("memory can always be written to");
        }
    }
}

impl ToSingleRedisArg for Key<'_> {}
