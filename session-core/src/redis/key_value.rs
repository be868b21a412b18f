//! `redis-key-value`: a session is a string, the JSON object of its items.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use deadpool_redis::redis::{Cmd, Value, cmd};

use super::{
    Redis,
    entry::{Form, millis},
    gate::{Gates, Place},
    key::Key,
    large::is_large,
    near::{Near, NearCache},
    operation::{Effect, Operation},
    script::{self, Call},
};
use crate::storage::rename_by_copying;
use crate::{Changes, Result, SessionId, Snapshot, Storage, WriteMode, Written};

/// Keeps each session as one Redis string: the JSON object of its items, with sorted keys.
///
/// Read whole with one `GET`, written whole by comparing and setting, so that nobody's changes
/// are lost. Right for sessions up to about 10 KB. A GoFrame server with the same prefix shares
/// its sessions.
///
/// What is stored is examined where it is read. A string that is not a JSON object, or a key of
/// another type, counts as no session and is left alone; so is `{}`, except that a new session
/// may take its place.
#[derive(Clone)]
pub struct RedisKeyValueStorage {
    redis: Redis,
    gates: Arc<Gates>,
}

/// What became of a compare-and-set.
enum Swap {
    Done(Written),
    /// There is no session any more.
    Gone,
    /// Somebody else has written this meanwhile.
    Changed(Snapshot),
}

/// What became of a removal.
enum Removal {
    Done,
    /// Still there, if anything is: what it is when read with care.
    Doubtful(Option<Snapshot>),
}

impl RedisKeyValueStorage {
    /// Keeps sessions in `redis`. Does not connect yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Redis, RedisKeyValueStorage};
    ///
    /// let storage = RedisKeyValueStorage::new(Redis::builder("redis://127.0.0.1").build()?);
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { redis, gates: Arc::default() }
    }

    async fn write(
        &self,
        id: &SessionId,
        changes: &Changes,
        mode: WriteMode<'_>,
        ttl: Duration,
    ) -> Result<Written> {
        let operation = self.redis.operation(id);
        match mode {
            // Boxed, so that the future of an update, which is made far more often, is small.
            WriteMode::Create => Box::pin(self.create(&operation, changes, ttl)).await,
            WriteMode::Update { seen } => self.update(&operation, id, changes, seen, ttl).await,
        }
    }

    async fn create(
        &self,
        operation: &Operation<'_>,
        changes: &Changes,
        ttl: Duration,
    ) -> Result<Written> {
        let Some(new) = changes.apply(None) else { return Ok(Written::Refused) };
        let key = operation.key();
        operation.note_size(new.stored().len());
        loop {
            let mut set = cmd("SET");
            set.arg(key).arg(new.stored()).arg("PX").arg(millis(ttl)).arg("NX");
            if operation.send(&set, Effect::Once).await? == Value::Okay {
                return Ok(Written::Saved);
            }
            // Taken. GoFrame leaves `{}` behind at a logout, which must not lock the id.
            let Value::BulkString(there) = operation.send(&get(key), Effect::Repeatable).await?
            else {
                return Ok(Written::Refused);
            };
            if !is_none(&there) {
                return Ok(Written::Refused);
            }
            let new = Some(&new);
            if let Swap::Done(written) = swap(operation, &there, new, ttl).await? {
                return Ok(written);
            }
        }
    }

    async fn update(
        &self,
        operation: &Operation<'_>,
        id: &SessionId,
        changes: &Changes,
        seen: Option<&Snapshot>,
        ttl: Duration,
    ) -> Result<Written> {
        let mut base = seen.cloned();
        let place = match self.gates.join(id) {
            Some(place) => place,
            None => {
                match attempt(operation, changes, base, ttl).await?.0 {
                    Swap::Done(written) => return Ok(written),
                    Swap::Gone => return Ok(Written::Refused),
                    Swap::Changed(now) => base = Some(now),
                }
                self.gates.enter(id)
            }
        };
        Box::pin(update_in_turn(operation, &place, changes, base, ttl)).await
    }
}

#[async_trait]
impl Storage for RedisKeyValueStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        // Before an operation begins: what is near needs neither clock nor connection.
        match begin(self.redis.near(), id) {
            Near::Hit(session) => Ok(Some(session)),
            near if self.redis.has_large(id) => {
                let (redis, id) = (self.redis.clone(), id.clone());
                let read = async move { fetch(&redis.operation(&id), near).await };
                self.redis.apart(read).await
            }
            near => fetch(&self.redis.operation(id), near).await,
        }
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        mode: WriteMode<'_>,
        ttl: Duration,
    ) -> Result<Written> {
        if !self.redis.has_large(id) && !is_large(changes.size()) {
            return self.write(id, changes, mode, ttl).await;
        }
        let (storage, id, changes) = (self.clone(), id.clone(), changes.clone());
        let seen = match mode {
            WriteMode::Create => None,
            WriteMode::Update { seen } => Some(seen.cloned()),
        };
        let write = async move {
            let mode = match &seen {
                None => WriteMode::Create,
                Some(seen) => WriteMode::Update { seen: seen.as_ref() },
            };
            storage.write(&id, &changes, mode, ttl).await
        };
        self.redis.apart(write).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: Duration) -> Result<bool> {
        Form::Text.update_ttl(&self.redis.operation(id), ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        if !self.redis.has_large(id) {
            return remove_all(&self.redis.operation(id), if_seen).await;
        }
        let (redis, id, if_seen) = (self.redis.clone(), id.clone(), if_seen.cloned());
        let remove = async move { remove_all(&redis.operation(&id), if_seen.as_ref()).await };
        self.redis.apart(remove).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        Form::Text.expires_in(&self.redis.operation(id)).await
    }

    fn at_hand(&self, id: &SessionId) -> Option<Snapshot> {
        self.redis.near()?.hit(id)
    }

    fn bound(&self) -> Option<Duration> {
        Some(self.redis.0.response_timeout)
    }

    async fn rename(&self, from: &SessionId, to: &SessionId) -> Result<bool> {
        if !self.redis.is_one_server() {
            return self.redis.bounded(rename_by_copying(self, from, to)).await;
        }
        // What is near under the old id is forgotten before this is acknowledged.
        let _mark = self.redis.near().map(|near| near.begin_write(from));
        Form::Text.rename(&self.redis.operation(from), to).await
    }
}

impl fmt::Debug for RedisKeyValueStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("RedisKeyValueStorage").field(&self.redis).finish()
    }
}

fn get(key: Key<'_>) -> Cmd {
    // With room for all of it: the hottest command there is.
    let mut get = Cmd::with_capacity(2, "GET".len() + key.length());
    get.arg("GET").arg(key);
    get
}

/// Reads the session unless the caller has it already.
async fn known(operation: &Operation<'_>, base: Option<Snapshot>) -> Result<Option<Snapshot>> {
    if base.is_some() { Ok(base) } else { read(operation).await }
}

/// Reads the session. No round trip while the near cache has it, otherwise one.
async fn read(operation: &Operation<'_>) -> Result<Option<Snapshot>> {
    match begin(operation.near(), operation.id()) {
        Near::Hit(session) => Ok(Some(session)),
        near => fetch(operation, near).await,
    }
}

fn begin(cache: Option<&Arc<NearCache>>, id: &SessionId) -> Near {
    cache.map_or(Near::Taken, |cache| cache.begin(id))
}

/// Reads the session from the server, and keeps it near where there is a mark.
async fn fetch(operation: &Operation<'_>, near: Near) -> Result<Option<Snapshot>> {
    let answer = operation.send(&get(operation.key()), Effect::Repeatable).await?;
    let session = parse(operation, answer);
    if let (Near::Miss(mark), Some(session)) = (near, &session) {
        mark.fill(session);
    }
    Ok(session)
}

/// Removes the session; with `if_seen`, only while it still has these items.
async fn remove_all(operation: &Operation<'_>, if_seen: Option<&Snapshot>) -> Result<bool> {
    let mut there = match if_seen {
        Some(seen) => Some(seen.clone()),
        None => match remove(operation).await? {
            Removal::Done => return Ok(true),
            Removal::Doubtful(session) => session,
        },
    };
    // What cannot be read is not removed either, hence the comparing.
    while let Some(old) = there {
        match swap(operation, old.stored().as_bytes(), None, Duration::ZERO).await? {
            Swap::Done(_) => return Ok(true),
            Swap::Gone => return Ok(false),
            // The same items in another text, put there by hand, are the same session.
            Swap::Changed(now) => {
                let wanted = if_seen.is_none_or(|seen| seen.to_json() == now.to_json());
                there = wanted.then_some(now);
            }
        }
    }
    Ok(false)
}

/// Removes the session unless in doubt whether it is one. One round trip.
async fn remove(operation: &Operation<'_>) -> Result<Removal> {
    let _mark = operation.near().map(|near| near.begin_write(operation.id()));
    let call = script::REMOVE_OBJECT.call(&[operation.key()], &[]);
    let answer = operation.run(call, Effect::Once).await?;
    Ok(match answer {
        Value::Int(_) => Removal::Done,
        text => Removal::Doubtful(parse(operation, text)),
    })
}

/// Writes changes to the session as it is when others of this process have written theirs.
async fn update_in_turn(
    operation: &Operation<'_>,
    place: &Place<'_>,
    changes: &Changes,
    mut base: Option<Snapshot>,
    ttl: Duration,
) -> Result<Written> {
    let mut latest = operation.within(place.turn()).await?;
    if let Some(latest) = latest.take() {
        base = Some(latest);
    }
    // Now only writers elsewhere can come between. Not counted: of all that try, one always gets
    // through, and time sets the end.
    loop {
        let (swap, new) = attempt(operation, changes, base, ttl).await?;
        match swap {
            Swap::Done(written) => {
                *latest = new;
                return Ok(written);
            }
            Swap::Gone => return Ok(Written::Refused),
            Swap::Changed(now) => base = Some(now),
        }
    }
}

/// Writes changes unless the session is no longer as it was in `base`, or when it was read.
/// Returns what was to be written, too.
async fn attempt(
    operation: &Operation<'_>,
    changes: &Changes,
    base: Option<Snapshot>,
    ttl: Duration,
) -> Result<(Swap, Option<Snapshot>)> {
    let Some(old) = known(operation, base).await? else { return Ok((Swap::Gone, None)) };
    let new = changes.apply(Some(&old));
    let swap = swap(operation, old.stored().as_bytes(), new.as_ref(), ttl).await?;
    Ok((swap, new))
}

/// Writes `new`, or removes the session, while `old` is stored. One round trip.
async fn swap(
    operation: &Operation<'_>,
    old: &[u8],
    new: Option<&Snapshot>,
    ttl: Duration,
) -> Result<Swap> {
    let mark = operation.near().map(|near| near.begin_write(operation.id()));
    let call = swapping(operation.key(), old, new, ttl, mark.is_some());
    Ok(match operation.run(call, Effect::Once).await? {
        Value::Okay => {
            if let (Some(mark), Some(new)) = (mark, new) {
                mark.fill(new);
            }
            Swap::Done(Written::Saved)
        }
        Value::Int(_) => Swap::Done(Written::Emptied),
        text => parse(operation, text).map_or(Swap::Gone, Swap::Changed),
    })
}

fn swapping(
    key: Key<'_>,
    old: &[u8],
    new: Option<&Snapshot>,
    ttl: Duration,
    is_near: bool,
) -> Call {
    let (new, ttl) = (new.map_or("", Snapshot::stored), millis(ttl).to_string());
    let args: [&[u8]; 4] = [old, new.as_bytes(), ttl.as_bytes(), b"near"];
    script::COMPARE_AND_SET.call(&[key], if is_near { &args } else { &args[..3] })
}

fn parse(operation: &Operation<'_>, answer: Value) -> Option<Snapshot> {
    let Value::BulkString(text) = answer else { return None };
    let Ok(text) = String::from_utf8(text) else {
        operation.unreadable("not UTF-8");
        return None;
    };
    Snapshot::parse(text).unwrap_or_else(|fault| {
        operation.unreadable(&fault.to_string());
        None
    })
}

/// Whether this is a session without items.
fn is_none(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| Snapshot::parse(text) == Ok(None))
}
