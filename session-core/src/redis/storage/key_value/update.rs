//! Storing changes: applied to the current session again until no other writer interferes.

use super::{
    string::{SessionString, Swap},
    write_queue::{QueuedWriter, WriteQueues},
};
use crate::{Changes, Lifetime, Result, SetOptions, Snapshot, Written};

/// Stores a new session unless the id is taken.
pub(super) async fn create(
    string: &SessionString<'_>,
    changes: &Changes,
    lifetime: Lifetime,
) -> Result<Written> {
    let create = SetOptions::create(lifetime.ttl).lifetime(lifetime);
    let Some((new, ttl)) = create.apply(changes, None) else { return Ok(Written::Refused) };
    string.operation.note_size(new.stored().len());
    loop {
        if string.create(&new, ttl).await? {
            return Ok(Written::saved(&new));
        }
        // An empty session must not block its id.
        let Some(empty) = string.empty_session().await? else { return Ok(Written::Refused) };
        if let Swap::Done = string.swap(&empty, Some(&new), ttl).await? {
            return Ok(Written::saved(&new));
        }
    }
}

/// Applies changes to a session that exists. `seen` spares reading it first.
pub(super) async fn update(
    string: &SessionString<'_>,
    queues: &WriteQueues,
    changes: &Changes,
    seen: Option<&Snapshot>,
    lifetime: Lifetime,
) -> Result<Written> {
    let mut base = seen.cloned();
    let writer = match queues.join(string.id) {
        Some(writer) => writer,
        None => {
            let (swap, new) = attempt(string, changes, base, lifetime).await?;
            match swap {
                Swap::Done => return Ok(saved(new.as_ref())),
                Swap::Gone => return Ok(Written::Refused),
                Swap::Changed(now) => base = Some(now),
            }
            queues.enter(string.id)
        }
    };
    Box::pin(update_in_turn(string, &writer, changes, base, lifetime)).await
}

/// Applies changes to the session, or replaces it by a marker, if it still is as it was seen.
pub(super) async fn replace_seen(
    string: &SessionString<'_>,
    changes: &Changes,
    options: SetOptions<'_>,
) -> Result<Written> {
    let mut stored = options.seen.cloned();
    while let Some((new, ttl)) = options.apply(changes, stored.as_ref()) {
        let old = stored.as_ref().map_or("", Snapshot::stored).as_bytes();
        match string.swap(old, Some(&new), ttl).await? {
            Swap::Done => return Ok(Written::saved(&new)),
            Swap::Gone => break,
            // Perhaps the same items in another text, edited by hand.
            Swap::Changed(now) => stored = Some(now),
        }
    }
    Ok(Written::Refused)
}

/// Applies changes once the writers of this process before this one are done.
async fn update_in_turn(
    string: &SessionString<'_>,
    writer: &QueuedWriter<'_>,
    changes: &Changes,
    mut base: Option<Snapshot>,
    lifetime: Lifetime,
) -> Result<Written> {
    let mut latest = string.operation.within(writer.turn()).await?;
    if let Some(latest) = latest.take() {
        base = Some(latest);
    }
    // Only writers of other processes interfere now. Attempts are not limited: one of the writers
    // always succeeds, and the deadline ends the loop.
    loop {
        let (swap, new) = attempt(string, changes, base, lifetime).await?;
        match swap {
            Swap::Done => {
                let written = saved(new.as_ref());
                *latest = new;
                return Ok(written);
            }
            Swap::Gone => return Ok(Written::Refused),
            Swap::Changed(now) => base = Some(now),
        }
    }
}

/// Applies changes to `base`, or to what is read, and stores the result if the session is still
/// that. Returns the result too.
async fn attempt(
    string: &SessionString<'_>,
    changes: &Changes,
    base: Option<Snapshot>,
    lifetime: Lifetime,
) -> Result<(Swap, Option<Snapshot>)> {
    let base = if base.is_some() { base } else { string.read().await? };
    let update = SetOptions::update(lifetime.ttl).lifetime(lifetime);
    let applied = update.apply(changes, base.as_ref());
    let (Some(old), Some((new, ttl))) = (base, applied) else { return Ok((Swap::Gone, None)) };
    let swap = string.swap(old.stored().as_bytes(), Some(&new), ttl).await?;
    Ok((swap, Some(new)))
}

/// Returns the result of an attempt that has stored this session.
fn saved(new: Option<&Snapshot>) -> Written {
    new.map_or(Written::Saved, Written::saved)
}
