//! `redis-hash-table`: a session is a hash, a field for each item.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use deadpool_redis::redis::{Cmd, Value};
use serde_json::value::RawValue;

use super::{
    Redis,
    entry::{Form, millis},
    field,
    key::Key,
    large::is_large,
    operation::{Effect, Operation},
    script::{self, Call},
};
use crate::storage::rename_by_copying;
use crate::{Changes, Granularity, Result, SessionId, Snapshot, Storage, WriteMode, Written};

/// Keeps each session as a Redis hash, with a field for each item.
///
/// Every operation on an item goes to Redis at once, in one round trip, and costs the same
/// whatever else is in the session. Right for large sessions. `HGETALL` shows the items as people
/// would write them, and a field typed by hand is an item. A GoFrame server with the same prefix
/// shares its sessions.
///
/// A key of another type counts as no session and is left alone. A field that is not UTF-8 counts
/// as no item, though [`get_size`](Storage::get_size) counts it.
#[derive(Clone, Debug)]
pub struct RedisHashTableStorage {
    redis: Redis,
}

impl RedisHashTableStorage {
    /// Keeps sessions in `redis`. Does not connect yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::{Redis, RedisHashTableStorage};
    ///
    /// let storage = RedisHashTableStorage::new(Redis::builder("redis://127.0.0.1").build()?);
    /// # Ok::<(), session_core::Error>(())
    /// ```
    #[must_use]
    pub fn new(redis: Redis) -> Self {
        Self { redis }
    }
}

#[async_trait]
impl Storage for RedisHashTableStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        if !self.redis.has_large(id) {
            return read(&self.redis.operation(id)).await;
        }
        let (redis, id) = (self.redis.clone(), id.clone());
        self.redis.apart(async move { read(&redis.operation(&id)).await }).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        mode: WriteMode<'_>,
        ttl: Duration,
    ) -> Result<Written> {
        let condition = match mode {
            WriteMode::Create if !changes.sets_items() => return Ok(Written::Refused),
            WriteMode::Create => "create",
            WriteMode::Update { .. } => "update",
        };
        if !is_large(changes.size()) {
            return write(&self.redis.operation(id), changes, condition, ttl).await;
        }
        let (redis, id, changes) = (self.redis.clone(), id.clone(), changes.clone());
        let write = async move { write(&redis.operation(&id), &changes, condition, ttl).await };
        self.redis.apart(write).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: Duration) -> Result<bool> {
        Form::Fields.update_ttl(&self.redis.operation(id), ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        match if_seen {
            None => remove(&self.redis.operation(id)).await,
            Some(seen) if !self.redis.has_large(id) => {
                remove_seen(&self.redis.operation(id), seen).await
            }
            Some(seen) => {
                let (redis, id, seen) = (self.redis.clone(), id.clone(), seen.clone());
                let remove = async move { remove_seen(&redis.operation(&id), &seen).await };
                self.redis.apart(remove).await
            }
        }
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        Form::Fields.expires_in(&self.redis.operation(id)).await
    }

    fn bound(&self) -> Option<Duration> {
        Some(self.redis.0.response_timeout)
    }

    fn granularity(&self) -> Granularity {
        Granularity::Item
    }

    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        if !self.redis.has_large_item(id, key) {
            return read_item(&self.redis.operation(id), key).await;
        }
        let (redis, id, key) = (self.redis.clone(), id.clone(), key.to_owned());
        self.redis.apart(async move { read_item(&redis.operation(&id), &key).await }).await
    }

    async fn contains(&self, id: &SessionId, key: &str) -> Result<bool> {
        let operation = self.redis.operation(id);
        Ok(ask(&operation, "HEXISTS", Some(key)).await? == Value::Int(1))
    }

    async fn get_size(&self, id: &SessionId) -> Result<usize> {
        let answer = ask(&self.redis.operation(id), "HLEN", None).await?;
        Ok(match answer {
            Value::Int(count) => usize::try_from(count).unwrap_or(0),
            _ => 0,
        })
    }

    async fn rename(&self, from: &SessionId, to: &SessionId) -> Result<bool> {
        if !self.redis.is_one_server() {
            return self.redis.bounded(rename_by_copying(self, from, to)).await;
        }
        Form::Fields.rename(&self.redis.operation(from), to).await
    }
}

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

async fn ask(operation: &Operation<'_>, command: &str, field: Option<&str>) -> Result<Value> {
    let key = operation.key();
    let length = command.len() + key.length() + field.map_or(0, str::len);
    let mut ask = Cmd::with_capacity(3, length);
    ask.arg(command).arg(key).arg(field);
    operation.send(&ask, Effect::Repeatable).await
}

async fn fields(operation: &Operation<'_>) -> Result<Fields> {
    let Value::Map(map) = ask(operation, "HGETALL", None).await? else { return Ok(Vec::new()) };
    let texts = map.into_iter().filter_map(|pair| match pair {
        (Value::BulkString(key), Value::BulkString(text)) => Some((key, text)),
        _ => None,
    });
    Ok(texts.collect())
}

async fn read(operation: &Operation<'_>) -> Result<Option<Snapshot>> {
    Ok(snapshot(operation, &fields(operation).await?))
}

async fn read_item(operation: &Operation<'_>, key: &str) -> Result<Option<Box<RawValue>>> {
    let Value::BulkString(text) = ask(operation, "HGET", Some(key)).await? else {
        return Ok(None);
    };
    operation.note_item_size(key, text.len());
    Ok(item(operation, &text))
}

async fn write(
    operation: &Operation<'_>,
    changes: &Changes,
    condition: &str,
    ttl: Duration,
) -> Result<Written> {
    let call = writing(operation.key(), changes, condition, ttl);
    Ok(match operation.run(call, Effect::Once).await? {
        Value::Int(1) => Written::Saved,
        Value::Int(_) => Written::Emptied,
        _ => Written::Refused,
    })
}

fn writing(key: Key<'_>, changes: &Changes, condition: &str, ttl: Duration) -> Call {
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    for (key, item) in changes.iter() {
        match item {
            Some(item) => set.extend([Cow::Borrowed(key), field::write(item)]),
            None => removed.push(key),
        }
    }
    let (ttl, count) = (millis(ttl).to_string(), set.len().to_string());
    let args: Vec<&[u8]> = [condition, &ttl, &count]
        .into_iter()
        .chain(set.iter().map(AsRef::as_ref))
        .chain(removed)
        .map(str::as_bytes)
        .collect();
    script::WRITE_FIELDS.call(&[key], &args)
}

async fn remove(operation: &Operation<'_>) -> Result<bool> {
    let call = script::REMOVE_FIELDS.call(&[operation.key()], &[]);
    let answer = operation.run(call, Effect::Once).await?;
    Ok(answer == Value::Int(1))
}

/// Removes the session while it has the items that were seen; their texts in the fields need
/// not be the ones that would be written, so it is read and then compared field by field.
async fn remove_seen(operation: &Operation<'_>, seen: &Snapshot) -> Result<bool> {
    let key = operation.key();
    loop {
        let fields = fields(operation).await?;
        if snapshot(operation, &fields).is_none_or(|now| now.to_json() != seen.to_json()) {
            return Ok(false);
        }
        let args: Vec<&[u8]> =
            fields.iter().flat_map(|(key, text)| [key.as_slice(), text]).collect();
        let call = script::REMOVE_FIELDS.call(&[key], &args);
        let answer = operation.run(call, Effect::Once).await?;
        if answer == Value::Int(1) {
            return Ok(true);
        }
    }
}

fn snapshot(operation: &Operation<'_>, fields: &Fields) -> Option<Snapshot> {
    let mut items = BTreeMap::new();
    for (key, text) in fields {
        match (std::str::from_utf8(key), item(operation, text)) {
            (Ok(key), Some(item)) => drop(items.insert(key, item)),
            (Err(_), _) => operation.spoiled(),
            (_, None) => {}
        }
    }
    Snapshot::from_sorted(items.iter().map(|(key, item)| (Cow::Borrowed(*key), item.get())))
}

/// Reads a field. One that cannot be read spoils only itself.
fn item(operation: &Operation<'_>, text: &[u8]) -> Option<Box<RawValue>> {
    let item = field::read(text);
    if item.is_none() {
        operation.spoiled();
    }
    item
}
