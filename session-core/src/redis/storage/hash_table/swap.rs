//! Replacing one item that is still as it was seen.

use std::borrow::Cow;

use deadpool_redis::redis::Value;
use serde_json::value::RawValue;

use super::{
    super::{
        super::client::{Effect, Operation},
        form::lifetime_text,
        lua,
    },
    field,
};
use crate::{ItemSwap, Lifetime, Result};

/// Sets or removes a field if its item is the one that was seen. One round trip, or two if the
/// field holds the item in another text than would be written here.
pub(super) async fn swap_item(
    operation: &Operation<'_>,
    key: &str,
    [seen, new]: [Option<&RawValue>; 2],
    lifetime: Lifetime,
) -> Result<ItemSwap> {
    let (lifetime, new) = (lifetime_text(lifetime), new.map(field::write));
    let mut stored: Option<Cow<'_, [u8]>> = seen.map(|seen| match field::write(seen) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    });
    loop {
        let mut args: Vec<&[u8]> = vec![lifetime.as_bytes(), key.as_bytes()];
        args.push(if stored.is_some() { b"1" } else { b"0" });
        args.push(stored.as_deref().unwrap_or_default());
        args.extend(new.as_deref().map(str::as_bytes));
        let call = lua::SWAP_FIELD.call(&[operation.key()], &args);
        let now = match operation.run(call, Effect::Once).await? {
            Value::Int(_) => {
                operation.note_item_size(key, new.as_deref().map_or(0, str::len));
                return Ok(ItemSwap::Saved);
            }
            Value::Array(now) => now.into_iter().next(),
            _ => return Ok(ItemSwap::Missing),
        };
        let text = match now {
            Some(Value::BulkString(text)) => text,
            _ => return Ok(ItemSwap::Changed(None)),
        };
        operation.note_item_size(key, text.len());
        let item = field::read(&text);
        let is_seen = item.as_deref().map(RawValue::get) == seen.map(RawValue::get);
        if !is_seen || stored.as_deref() == Some(&text[..]) {
            return Ok(ItemSwap::Changed(item));
        }
        // The same item, typed by hand or written by GoFrame.
        stored = Some(Cow::Owned(text));
    }
}
