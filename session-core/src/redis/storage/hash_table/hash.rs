//! The hash of one session.

use std::{borrow::Cow, collections::BTreeMap};

use deadpool_redis::redis::{Cmd, Value};
use serde_json::value::RawValue;

use super::{
    super::{
        super::client::{Effect, Operation},
        form::{self, grace_millis, lifetime_text, millis},
        lua,
    },
    field,
};
use crate::{
    Changes, Lifetime, RenameOptions, Result, SetOptions, Snapshot, Written,
    snapshot::{META_KEY, Meta, NO_META},
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
    let text = match ask(operation, "HGET", Some(key)).await? {
        Value::BulkString(text) => Some(text),
        _ => None,
    };
    operation.note_item_size(key, text.as_ref().map_or(0, Vec::len));
    Ok(text.and_then(|text| item(operation, &text)))
}

/// Reads one item and the metadata. One round trip.
pub(super) async fn read_with_metadata(
    operation: &Operation<'_>,
    key: &str,
) -> Result<Option<Snapshot>> {
    let session = operation.key();
    let length = "HMGET".len() + session.length() + key.len() + META_KEY.len();
    let mut read = Cmd::with_capacity(4, length);
    read.arg("HMGET").arg(session).arg(key).arg(META_KEY);
    let Value::Array(texts) = operation.send(&read, Effect::Repeatable).await? else {
        return Ok(None);
    };
    let fields = [key, META_KEY].into_iter().zip(texts).filter_map(|(key, text)| match text {
        Value::BulkString(text) => Some((key.as_bytes().to_vec(), text)),
        _ => None,
    });
    let fields: Fields = fields.collect();
    let text = fields.iter().find(|(field, _)| field == key.as_bytes());
    operation.note_item_size(key, text.map_or(0, |(_, text)| text.len()));
    Ok(snapshot(operation, &fields))
}

/// Creates the hash if it does not exist. One round trip.
pub(super) async fn create(
    operation: &Operation<'_>,
    changes: &Changes,
    lifetime: Lifetime,
) -> Result<Written> {
    let Some(meta) = changes.meta_after(None) else { return Ok(Written::Refused) };
    let Some(lifetime) = lifetime_with(lifetime, meta.as_deref()) else {
        return Ok(Written::Refused);
    };
    run_write(operation, changes, "create", lifetime, meta.as_deref()).await.map(written)
}

/// Writes changes if the hash exists. One round trip, or two if the metadata changes.
pub(super) async fn update(
    operation: &Operation<'_>,
    changes: &Changes,
    lifetime: Lifetime,
) -> Result<Written> {
    if changes.changes_meta() {
        return Box::pin(update_with_metadata(operation, changes, lifetime)).await;
    }
    // That of a copy, which does not depend on what is stored.
    let meta = changes.meta_after(None).flatten();
    run_write(operation, changes, "update", lifetime, meta.as_deref()).await.map(written)
}

/// Reads the metadata, changes it, and writes it unless it is another one by then.
async fn update_with_metadata(
    operation: &Operation<'_>,
    changes: &Changes,
    lifetime: Lifetime,
) -> Result<Written> {
    loop {
        let seen = match ask(operation, "HGET", Some(META_KEY)).await? {
            Value::BulkString(text) => Some(String::from_utf8_lossy(&text).into_owned()),
            _ => None,
        };
        let Some(meta) = changes.meta_after(seen.as_deref()) else { return Ok(Written::Refused) };
        let Some(lifetime) = lifetime_with(lifetime, meta.as_deref()) else {
            return Ok(Written::Refused);
        };
        let expected = seen.map_or("-".to_owned(), |seen| format!("={seen}"));
        let meta = meta.as_deref().unwrap_or(NO_META);
        let condition = format!("update{expected}");
        match run_write(operation, changes, &condition, lifetime, Some(meta)).await? {
            Value::Int(0) => {}
            Value::Nil => return Ok(Written::Refused),
            _ => return Ok(Written::saved(&Snapshot::of_meta(Some(meta)))),
        }
    }
}

/// Returns the lifetime of a session with this metadata. `None` if it has ended.
fn lifetime_with(lifetime: Lifetime, meta: Option<&str>) -> Option<Lifetime> {
    let meta = meta.map(Meta::read).unwrap_or_default();
    lifetime.ttl_by(&meta).map(Lifetime::exactly)
}

async fn run_write(
    operation: &Operation<'_>,
    changes: &Changes,
    condition: &str,
    lifetime: Lifetime,
    meta: Option<&str>,
) -> Result<Value> {
    let (set, removed) = texts(changes, meta);
    let (lifetime, count) = (lifetime_text(lifetime), set.len().to_string());
    let args: Vec<&[u8]> = [condition, &lifetime, &count]
        .into_iter()
        .chain(set.iter().map(AsRef::as_ref))
        .chain(removed)
        .map(str::as_bytes)
        .collect();
    operation.run(lua::WRITE_FIELDS.call(&[operation.key()], &args), Effect::Once).await
}

fn written(answer: Value) -> Written {
    match answer {
        Value::Int(_) => Written::Saved,
        // With the metadata of a user's session.
        Value::Array(answer) => Written::saved(&form::metadata_of(answer.into_iter().next())),
        _ => Written::Refused,
    }
}

/// Returns the fields and values to set, in turn, and the fields to remove.
fn texts<'a>(changes: &'a Changes, meta: Option<&'a str>) -> (Vec<Cow<'a, str>>, Vec<&'a str>) {
    let (mut set, mut removed) = (Vec::new(), Vec::new());
    for (key, item) in changes.iter() {
        match item {
            Some(item) => set.extend([Cow::Borrowed(key), field::write(item)]),
            None => removed.push(key),
        }
    }
    if let Some(meta) = meta {
        set.extend([META_KEY.into(), meta.into()]);
    }
    (set, removed)
}

pub(super) async fn remove(operation: &Operation<'_>) -> Result<bool> {
    let call = lua::REMOVE_FIELDS.call(&[operation.key()], &[b"", b"0"]);
    let is_removed = operation.run(call, Effect::Once).await? == Value::Int(1);
    if is_removed {
        operation.note_size(0);
    }
    Ok(is_removed)
}

/// Removes the session if it still has the items that were seen. With a grace, a marker takes its
/// place, which leads to the new id if there is a salt.
///
/// A field may hold an item in another text than would be written here, so the session is read, and
/// then compared in the server field by field.
pub(super) async fn remove_seen(
    operation: &Operation<'_>,
    seen: &Snapshot,
    RenameOptions { grace, salt }: RenameOptions<'_>,
) -> Result<bool> {
    let (key, grace) = (operation.key(), grace_millis(grace).to_string());
    let marker = Snapshot::marker(salt);
    let marker = marker.meta().expect("a marker is metadata");
    loop {
        let fields = fields(operation).await?;
        let now = snapshot(operation, &fields).filter(|now| !now.is_marker());
        if now.is_none_or(|now| !now.is_same_session(seen)) {
            return Ok(false);
        }
        let fields = fields.iter().flat_map(|(key, text)| [key.as_slice(), text]);
        let args: Vec<&[u8]> =
            [marker.as_bytes(), grace.as_bytes()].into_iter().chain(fields).collect();
        let call = lua::REMOVE_FIELDS.call(&[key], &args);
        if operation.run(call, Effect::Once).await? == Value::Int(1) {
            operation.note_size(0);
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
    lifetime: Lifetime,
) -> Result<Written> {
    let key = operation.key();
    loop {
        let fields = fields(operation).await?;
        let now = snapshot(operation, &fields).filter(|now| !now.is_marker());
        let update = SetOptions::update_seen(seen, lifetime.ttl).lifetime(lifetime);
        let Some((new, ttl)) = update.apply(changes, now.as_ref()) else {
            return Ok(Written::Refused);
        };
        let compared = (fields.len() * 2).to_string();
        let meta = changes.has_meta().then(|| new.meta().unwrap_or(NO_META));
        let (set, removed) = texts(changes, meta);
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
            return Ok(Written::saved(&new));
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
        _ => Vec::new(),
    };
    let texts = pairs.into_iter().filter_map(|pair| match pair {
        (Value::BulkString(key), Value::BulkString(text)) => Some((key, text)),
        _ => None,
    });
    let fields: Fields = texts.collect();
    operation.note_size(fields.iter().map(|(key, text)| key.len() + text.len()).sum());
    Ok(fields)
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
    let texts = items.iter().map(|(key, item)| (Cow::Borrowed(*key), item.get()));
    Snapshot::from_sorted(items.len(), texts, meta)
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
