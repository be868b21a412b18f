//! The key that a session is stored under.

use std::{fmt, io::Write as _};

use deadpool_redis::redis::{RedisWrite, ToRedisArgs, ToSingleRedisArg};

use crate::SessionId;

/// A prefix and an id, written into commands without concatenating them first.
#[derive(Clone, Copy)]
pub(crate) struct Key<'a> {
    pub(crate) prefix: &'a str,
    pub(crate) id: &'a SessionId,
}

impl Key<'_> {
    pub(crate) fn text(self) -> String {
        [self.prefix, self.id.as_str()].concat()
    }

    /// Returns the length in bytes.
    pub(crate) fn length(self) -> usize {
        self.prefix.len() + self.id.as_str().len()
    }
}

/// Shows the beginning of the id only, so that a key may be logged.
impl fmt::Debug for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.prefix, self.id)
    }
}

impl ToRedisArgs for Key<'_> {
    fn write_redis_args<W: ?Sized + RedisWrite>(&self, out: &mut W) {
        let mut arg = out.writer_for_next_arg();
        for part in [self.prefix, self.id.as_str()] {
            arg.write_all(part.as_bytes()).expect("writing to memory cannot fail");
        }
    }
}

impl ToSingleRedisArg for Key<'_> {}
