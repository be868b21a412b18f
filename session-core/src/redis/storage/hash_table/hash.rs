//! The hash of one session.

use std::{borrow::Cow, collections::BTreeMap, time::Duration};

use deadpool_redis::redis::{Cmd, Value};
use serde_json::value::RawValue;

use super::{
    super::{
        super::client::{Call, Effect, Key, Operation},
        form::{grace_millis, millis},
        lua,
    },
    field,
};
use crate::{
    Changes, Result, Snapshot, Written,
    snapshot::{MARKER_META, META_KEY, NO_META},
};

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

/// Sends a command about the hash, or one field of it.
pub(super) async fn ask(
    operation: &Operation<'_>,
    command: &str,
    field: Option<&str>,
) -> Result<Value> {
    let key = operation.key();
    let length = command.len() + key.length() + field.map_or(0, str::len);
    let mut ask = Cmd::with_capacity(3, length);
    ask.arg(command).arg(key).arg(field);
    operation.send(&ask, Effect::Repeatable).await
}

pub(super) async fn read(operation: &Operation<'_>) -> Result<Option<Snapshot>> {
    Ok(snapshot(operation, &fields(operation).await?))
}

pub(super) async fn read_item(
    operation: &Operation<'_>,
    key: &str,
) -> Result<Option<Box<RawValue>>> {
    let Value::BulkString(text) = ask(operation, "HGET", Some(key)).await? else {
        return Ok(None);
    };
    operation.note_item_size(key, text.len());
    Ok(item(operation, &text))
}

/// Writes changes if the hash exists, or with the condition `create` if it does not.
pub(super) async fn write(
    operation: &Operation<'_>,
    changes: &Changes,
    condition: &str,
    ttl: Duration,
) -> Result<Written> {
    let call = write_call(operation.key(), changes, condition, ttl);
    Ok(match operation.run(call, Effect::Once).await? {
        Value::Int(_) => Written::Saved,
        _ => Written::Refused,
    })
}

fn write_call(key: Key<'_>, changes: &Changes, condition: &str, ttl: Duration) -> Call {
    let (set, removed) = texts(changes);
    let (ttl, count) = (millis(ttl).to_string(), set.len().to_string());
    let args: Vec<&[u8]> = [condition, &ttl, &count]
        .into_iter()
        .chain(set.iter().map(AsRef::as_ref))
        .chain(removed)
        .map(str::as_bytes)
        .collect();
    lua::WRITE_FIELDS.call(&[key], &args)
}

/// Returns the fields and values to set, in turn, and the fields to remove.
fn texts(changes: &Changes) -> (Vec<Cow<'_, str>>, Vec<&str>) {
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    for (key, item) in changes.iter() {
        match item {
            Some(item) => set.extend([Cow::Borrowed(key), field::write(item)]),
            None => removed.push(key),
        }
    }
    if let Some(meta) = changes.meta() {
        set.extend([META_KEY.into(), meta.into()]);
    }
    (set, removed)
}

pub(super) async fn remove(operation: &Operation<'_>) -> Result<bool> {
    let call = lua::REMOVE_FIELDS.call(&[operation.key()], &[MARKER_META.as_bytes(), b"0"]);
    Ok(operation.run(call, Effect::Once).await? == Value::Int(1))
}

/// Removes the session if it still has the items that were seen. With a grace, a marker takes its
/// place.
///
/// A field may hold an item in another text than would be written here, so the session is read, and
/// then compared in the server field by field.
pub(super) async fn remove_seen(
    operation: &Operation<'_>,
    seen: &Snapshot,
    grace: Duration,
) -> Result<bool> {
    let (key, grace) = (operation.key(), grace_millis(grace).to_string());
    loop {
        let fields = fields(operation).await?;
        let now = snapshot(operation, &fields).filter(|now| !now.is_marker());
        if now.is_none_or(|now| !now.is_same_session(seen)) {
            return Ok(false);
        }
        let fields = fields.iter().flat_map(|(key, text)| [key.as_slice(), text]);
        let args: Vec<&[u8]> =
            [MARKER_META.as_bytes(), grace.as_bytes()].into_iter().chain(fields).collect();
        let call = lua::REMOVE_FIELDS.call(&[key], &args);
        if operation.run(call, Effect::Once).await? == Value::Int(1) {
            return Ok(true);
        }
    }
}

/// Applies changes if the session still has the items that were seen.
///
/// Compared like [`remove_seen`]: read, and then in the server field by field.
pub(super) async fn update_seen(
    operation: &Operation<'_>,
    changes: &Changes,
    seen: &Snapshot,
    ttl: Duration,
) -> Result<Written> {
    let key = operation.key();
    loop {
        let fields = fields(operation).await?;
        let now = snapshot(operation, &fields).filter(|now| !now.is_marker());
        if now.is_none_or(|now| !now.is_same_session(seen)) {
            return Ok(Written::Refused);
        }
        let compared = (fields.len() * 2).to_string();
        let (set, removed) = texts(changes);
        let (ttl, count) = (millis(ttl).to_string(), set.len().to_string());
        let fields = fields.iter().flat_map(|(key, text)| [key.as_slice(), text]);
        let args: Vec<&[u8]> = [ttl.as_bytes(), compared.as_bytes(), count.as_bytes()]
            .into_iter()
            .chain(fields)
            .chain(set.iter().map(|text| text.as_bytes()))
            .chain(removed.into_iter().map(str::as_bytes))
            .collect();
        let call = lua::WRITE_FIELDS_IF_SEEN.call(&[key], &args);
        let answer = operation.run(call, Effect::Once).await?;
        if answer == Value::Int(1) {
            return Ok(Written::Saved);
        }
    }
}

/// Counts the items. One round trip.
pub(super) async fn size(operation: &Operation<'_>) -> Result<usize> {
    let call = lua::COUNT_ITEMS.call(&[operation.key()], &[META_KEY.as_bytes()]);
    Ok(match operation.run(call, Effect::Repeatable).await? {
        Value::Int(count) => usize::try_from(count).unwrap_or(0),
        _ => 0,
    })
}

async fn fields(operation: &Operation<'_>) -> Result<Fields> {
    let pairs = match ask(operation, "HGETALL", None).await? {
        Value::Map(pairs) => pairs,
        Value::Array(list) => pairs(list),
        _ => return Ok(Vec::new()),
    };
    let texts = pairs.into_iter().filter_map(|pair| match pair {
        (Value::BulkString(key), Value::BulkString(text)) => Some((key, text)),
        _ => None,
    });
    Ok(texts.collect())
}

/// Returns the pairs of a map as RESP2 has it: a list of keys and values in turn.
fn pairs(list: Vec<Value>) -> Vec<(Value, Value)> {
    let mut list = list.into_iter();
    std::iter::from_fn(|| Some((list.next()?, list.next()?))).collect()
}

fn snapshot(operation: &Operation<'_>, fields: &Fields) -> Option<Snapshot> {
    let (mut items, mut meta) = (BTreeMap::new(), None);
    for (key, text) in fields {
        if key == META_KEY.as_bytes() {
            // Metadata that cannot be read says nothing.
            meta = Some(metadata(text).unwrap_or(NO_META));
            continue;
        }
        match (std::str::from_utf8(key), item(operation, text)) {
            (Ok(key), Some(item)) => drop(items.insert(key, item)),
            (Err(_), _) => operation.log_unreadable_field(),
            (_, None) => {}
        }
    }
    let meta = meta.filter(|meta| items.is_empty() || *meta != NO_META);
    let items = items.iter().map(|(key, item)| (Cow::Borrowed(*key), item.get()));
    Snapshot::from_sorted(items, meta)
}

fn metadata(text: &[u8]) -> Option<&str> {
    serde_json::from_slice::<&RawValue>(text).ok().map(RawValue::get)
}

/// Parses a field. An unreadable one counts as absent and does not affect the others.
fn item(operation: &Operation<'_>, text: &[u8]) -> Option<Box<RawValue>> {
    let item = field::read(text);
    if item.is_none() {
        operation.log_unreadable_field();
    }
    item
}
