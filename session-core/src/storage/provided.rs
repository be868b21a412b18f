//! The provided methods of a storage, by its required ones.
//!
//! Functions, so that a storage that overrides a method for some sessions can call it for others.

use serde_json::value::RawValue;

use super::{ItemSwap, RenameOptions, SetOptions, Storage, SwapOptions};
use crate::{Changes, Lifetime, Result, SessionId, Snapshot};

/// Returns the name of a type without the path and the parameters.
pub(crate) fn name<S: ?Sized>() -> &'static str {
    let name = std::any::type_name::<S>();
    let name = name.split('<').next().unwrap_or(name);
    name.rsplit(':').next().unwrap_or(name)
}

pub(crate) async fn get<S: Storage + ?Sized>(
    storage: &S,
    id: &SessionId,
    key: &str,
) -> Result<Option<Box<RawValue>>> {
    let session = storage.get_session(id).await?;
    session.map_or(Ok(None), |session| session.get(key))
}

pub(crate) async fn contains<S: Storage + ?Sized>(
    storage: &S,
    id: &SessionId,
    key: &str,
) -> Result<bool> {
    Ok(storage.get_session(id).await?.is_some_and(|session| session.item(key).is_some()))
}

pub(crate) async fn get_with_metadata<S: Storage + ?Sized>(
    storage: &S,
    id: &SessionId,
    key: &str,
) -> Result<Option<Snapshot>> {
    Ok(storage.get_session(id).await?.and_then(|session| session.only(key)))
}

pub(crate) async fn get_size<S: Storage + ?Sized>(storage: &S, id: &SessionId) -> Result<usize> {
    Ok(storage.get_session(id).await?.map_or(0, |session| session.len()))
}

/// Swaps an item by replacing the session, again and again while other items change.
pub(crate) async fn swap_item<S: Storage + ?Sized>(
    storage: &S,
    id: &SessionId,
    key: &str,
    [seen, new]: [Option<&RawValue>; 2],
    options: SwapOptions<'_>,
) -> Result<ItemSwap> {
    let changes = Changes::of_item(key, new);
    let mut session = options.session.cloned();
    loop {
        let now = match session.take() {
            Some(session) => session,
            None => match storage.get_session(id).await? {
                Some(now) if !now.is_marker() => now,
                _ => return Ok(ItemSwap::Missing),
            },
        };
        if options.lifetime.ttl_of(&now).is_none() {
            return Ok(ItemSwap::Missing);
        }
        if now.item(key) != seen.map(RawValue::get) {
            return now.get(key).map(ItemSwap::Changed);
        }
        let update = SetOptions::update_seen(&now, options.lifetime.ttl).lifetime(options.lifetime);
        if storage.set_session(id, &changes, update).await?.is_saved() {
            return Ok(ItemSwap::Saved);
        }
    }
}

/// Renames in several steps, each of them on one session.
pub(crate) async fn rename<S: Storage + ?Sized>(
    storage: &S,
    from: &SessionId,
    to: &SessionId,
    options: RenameOptions<'_>,
) -> Result<bool> {
    let Some(mut seen) = storage.get_session(from).await? else {
        return Ok(false);
    };
    let Some(ttl) = storage.expires_in(from).await? else {
        return Ok(false);
    };
    let copy = Changes::between(None, &seen);
    let create = SetOptions::create(ttl).lifetime(Lifetime::exactly(ttl));
    if !storage.set_session(to, &copy, create).await?.is_saved() {
        return Ok(false);
    }
    loop {
        let is_ended = if options.grace.is_zero() {
            storage.remove_all(from, Some(&seen)).await?
        } else {
            let retire = SetOptions::retire(&seen, options.grace).salt(options.salt);
            storage.set_session(from, &Changes::new(), retire).await?.is_saved()
        };
        if is_ended {
            return Ok(true);
        }
        let now = storage.get_session(from).await?.filter(|now| !now.is_marker());
        let Some(now) = now else {
            storage.remove_all(to, None).await?;
            return Ok(false);
        };
        let missed = Changes::between(Some(&seen), &now);
        let ttl = storage.expires_in(from).await?.unwrap_or(ttl);
        let update = SetOptions::update(ttl).lifetime(Lifetime::exactly(ttl)).seen(&seen);
        if !storage.set_session(to, &missed, update).await?.is_saved() {
            // The copy is gone; `from` still has everything.
            return Ok(false);
        }
        seen = now;
    }
}
