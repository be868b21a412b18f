//! The string of one session.

use std::{sync::Arc, time::Duration};

use deadpool_redis::redis::{Cmd, Value, cmd};

use super::{
    super::{
        super::{
            client::{Call, Effect, Key, Operation},
            handle::Redis,
        },
        form::millis,
        lua,
    },
    near_cache::{Lookup, NearCache},
};
use crate::{Result, SessionId, Snapshot, recent::Recent};

/// One operation on the string of one session.
pub(super) struct SessionString<'a> {
    pub(super) operation: Operation<'a>,
    pub(super) id: &'a SessionId,
    near_cache: Option<&'a Arc<NearCache>>,
    /// What this process has written last. `None` with a near cache, which knows better.
    written: Option<&'a Recent>,
}

/// The result of a compare-and-set.
pub(super) enum Swap {
    Done,
    /// The session is gone.
    Gone,
    /// Another writer has stored this meanwhile.
    Changed(Snapshot),
}

/// The result of a removal.
enum Removal {
    Done,
    /// Not removed: this is the session, if it is one when parsed here.
    Unsure(Option<Snapshot>),
}

impl<'a> SessionString<'a> {
    pub(super) fn new(redis: &'a Redis, written: &'a Recent, id: &'a SessionId) -> Self {
        let near_cache = redis.near_cache();
        let written = near_cache.is_none().then_some(written);
        Self { operation: redis.operation(id), id, near_cache, written }
    }

    /// Returns the session as this process has written it last. It may have changed since.
    pub(super) fn last_written(&self) -> Option<Snapshot> {
        self.written?.get(self.id)
    }

    /// Reads the session. No round trip if it is in the near cache, otherwise one.
    pub(super) async fn read(&self) -> Result<Option<Snapshot>> {
        match look_up(self.near_cache, self.id) {
            Lookup::Hit(session) => Ok(Some(session)),
            lookup => self.fetch(lookup).await,
        }
    }

    /// Reads the session from the server, and caches it if `lookup` has a placeholder.
    pub(super) async fn fetch(&self, lookup: Lookup) -> Result<Option<Snapshot>> {
        let answer = self.operation.send(&get(self.operation.key()), Effect::Repeatable).await?;
        let session = self.parse(answer);
        self.note_size(session.as_ref());
        // A marker is not cached: it would be served for longer than it exists.
        let cacheable = session.as_ref().filter(|session| !session.is_marker());
        if let (Lookup::Miss(placeholder), Some(session)) = (lookup, cacheable) {
            placeholder.fill(session);
        }
        Ok(session)
    }

    /// Stores a session. Returns `false`, and stores nothing, if the id is taken. One round trip.
    pub(super) async fn create(&self, new: &Snapshot, ttl: Duration) -> Result<bool> {
        let mut set = cmd("SET");
        set.arg(self.operation.key()).arg(new.stored()).arg("PX").arg(millis(ttl)).arg("NX");
        Ok(self.operation.send(&set, Effect::Once).await? == Value::Okay)
    }

    /// Returns the stored text if there is an empty session, as GoFrame leaves it behind at a
    /// logout.
    pub(super) async fn empty_session(&self) -> Result<Option<Vec<u8>>> {
        let answer = self.operation.send(&get(self.operation.key()), Effect::Repeatable).await?;
        let Value::BulkString(text) = answer else { return Ok(None) };
        let is_empty =
            std::str::from_utf8(&text).is_ok_and(|text| Snapshot::parse(text) == Ok(None));
        Ok(is_empty.then_some(text))
    }

    /// Stores `new`, or removes the session, if `old` is what is stored. One round trip, and
    /// another one if it is not and the server compares by itself.
    pub(super) async fn swap(
        &self,
        old: &[u8],
        new: Option<&Snapshot>,
        ttl: Duration,
    ) -> Result<Swap> {
        // With a near cache the server has to track the new text in the same step.
        let natively = match new.filter(|_| self.near_cache.is_none()) {
            Some(new) => self.swap_natively(old, new, ttl).await?,
            None => None,
        };
        let swap = match natively {
            Some(swap) => swap,
            None => self.swap_by_script(old, new, ttl).await?,
        };
        match &swap {
            Swap::Done => {
                self.note_size(new);
                self.note_written(new);
            }
            Swap::Gone => {
                self.note_size(None);
                self.note_written(None);
            }
            Swap::Changed(now) => self.note_size(Some(now)),
        }
        Ok(swap)
    }

    fn note_written(&self, session: Option<&Snapshot>) {
        match (self.written, session) {
            (Some(written), Some(session)) if !session.is_marker() => written.put(self.id, session),
            (Some(written), _) => written.remove(self.id),
            (None, _) => {}
        }
    }

    fn note_size(&self, session: Option<&Snapshot>) {
        self.operation.note_size(session.map_or(0, |session| session.stored().len()));
    }

    /// Stores `new` if `old` is what is stored, if the server has a command for that: Valkey 8.1,
    /// Redis 8.4.
    async fn swap_natively(
        &self,
        old: &[u8],
        new: &Snapshot,
        ttl: Duration,
    ) -> Result<Option<Swap>> {
        let set = || {
            let mut set = cmd("SET");
            set.arg(self.operation.key()).arg(new.stored());
            set.arg("IFEQ").arg(old).arg("PX").arg(millis(ttl));
            set
        };
        self.operation.note_part(new.stored().len());
        Ok(match self.operation.send_if_known(set, Effect::Once).await? {
            None => None,
            Some(Value::Okay) => Some(Swap::Done),
            Some(_) => {
                let now = Box::pin(self.fetch(Lookup::Busy)).await?;
                Some(now.map_or(Swap::Gone, Swap::Changed))
            }
        })
    }

    async fn swap_by_script(
        &self,
        old: &[u8],
        new: Option<&Snapshot>,
        ttl: Duration,
    ) -> Result<Swap> {
        let placeholder = self.near_cache.map(|cache| cache.begin_write(self.id));
        // A marker is not cached: it would be served for longer than it exists.
        let cacheable = new.filter(|new| placeholder.is_some() && !new.is_marker());
        let call = swap_call(self.operation.key(), old, new, ttl, cacheable.is_some());
        Ok(match self.operation.run(call, Effect::Once).await? {
            Value::Okay => {
                if let (Some(placeholder), Some(new)) = (placeholder, cacheable) {
                    placeholder.fill(new);
                }
                Swap::Done
            }
            Value::Int(_) => Swap::Done,
            text => self.parse(text).map_or(Swap::Gone, Swap::Changed),
        })
    }

    /// Removes the session; with `if_seen`, only while it still has these items.
    pub(super) async fn remove(&self, if_seen: Option<&Snapshot>) -> Result<bool> {
        let mut current = match if_seen {
            Some(seen) => Some(seen.clone()),
            None => match self.try_remove().await? {
                Removal::Done => return Ok(true),
                Removal::Unsure(session) => session,
            },
        };
        current = current.filter(|current| !current.is_marker());
        // By compare-and-set, because a record that cannot be read must not be removed.
        while let Some(old) = current {
            match self.swap(old.stored().as_bytes(), None, Duration::ZERO).await? {
                Swap::Done => return Ok(true),
                Swap::Gone => return Ok(false),
                // The same items in another text, edited by hand, are the same session.
                Swap::Changed(now) => {
                    let is_wanted = !now.is_marker()
                        && if_seen.is_none_or(|seen| seen.to_json() == now.to_json());
                    current = is_wanted.then_some(now);
                }
            }
        }
        Ok(false)
    }

    /// Removes the session if the server can tell that it is one. One round trip.
    async fn try_remove(&self) -> Result<Removal> {
        let _placeholder = self.near_cache.map(|cache| cache.begin_write(self.id));
        let call = lua::REMOVE_OBJECT.call(&[self.operation.key()], &[]);
        Ok(match self.operation.run(call, Effect::Once).await? {
            Value::Int(_) => {
                self.note_size(None);
                self.note_written(None);
                Removal::Done
            }
            text => Removal::Unsure(self.parse(text)),
        })
    }

    fn parse(&self, answer: Value) -> Option<Snapshot> {
        let Value::BulkString(text) = answer else { return None };
        let Ok(text) = String::from_utf8(text) else {
            self.operation.log_unreadable("not UTF-8");
            return None;
        };
        Snapshot::parse(text).unwrap_or_else(|fault| {
            self.operation.log_unreadable(&fault.to_string());
            None
        })
    }
}

/// Looks a session up in the near cache, if there is one.
pub(super) fn look_up(cache: Option<&Arc<NearCache>>, id: &SessionId) -> Lookup {
    cache.map_or(Lookup::Busy, |cache| cache.look_up(id))
}

fn get(key: Key<'_>) -> Cmd {
    // Allocated in one piece: the most frequent command.
    let mut get = Cmd::with_capacity(2, "GET".len() + key.length());
    get.arg("GET").arg(key);
    get
}

fn swap_call(
    key: Key<'_>,
    old: &[u8],
    new: Option<&Snapshot>,
    ttl: Duration,
    is_cached: bool,
) -> Call {
    let (new, ttl) = (new.map_or("", Snapshot::stored), millis(ttl).to_string());
    let args: [&[u8]; 4] = [old, new.as_bytes(), ttl.as_bytes(), b"cached"];
    lua::COMPARE_AND_SET.call(&[key], if is_cached { &args } else { &args[..3] })
}
