//! Storing changes: applied to the current session again until no other writer interferes.

use super::string::{SessionString, Swap};
use crate::{
    Changes, Result, SetOptions, Snapshot, Written,
    storage::write_groups::{Applied, Group},
};

/// Stores a new session unless the id is taken.
pub(super) async fn create(
    string: &SessionString<'_>,
    changes: &Changes,
    options: SetOptions<'_>,
) -> Result<Written> {
    let Some((new, ttl)) = options.apply(changes, None) else { return Ok(Written::Refused) };
    string.operation.note_part(new.stored().len());
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

/// Applies changes to a session that exists. Reading it first is spared by `seen`, or else by what
/// this process has written last.
///
/// Returns the session as stored, too.
pub(super) async fn update(
    string: &SessionString<'_>,
    changes: &Changes,
    options: SetOptions<'_>,
) -> Result<(Written, Option<Snapshot>)> {
    let mut base = options.seen.cloned().or_else(|| string.last_written());
    // What is outdated cannot refuse a write.
    let mut may_be_outdated = true;
    // Only writers of other processes interfere. Attempts are not limited: one of the writers
    // always succeeds, and the deadline ends the loop.
    loop {
        if base.is_none() {
            (base, may_be_outdated) = (string.read().await?, false);
        }
        let applied = options.apply(changes, base.as_ref());
        let (Some(old), Some((new, ttl))) = (base.take(), applied) else {
            if may_be_outdated {
                continue;
            }
            return Ok((Written::Refused, None));
        };
        match string.swap(old.stored().as_bytes(), Some(&new), ttl).await? {
            Swap::Done => return Ok((Written::saved(&new), Some(new))),
            Swap::Gone => return Ok((Written::Refused, None)),
            Swap::Changed(now) => (base, may_be_outdated) = (Some(now), false),
        }
    }
}

/// Applies the writes of a group to a session, and answers them. Returns the session as stored.
pub(super) async fn write_group(
    string: &SessionString<'_>,
    group: Group,
    latest: Option<Snapshot>,
) -> Option<Snapshot> {
    let base = latest.or_else(|| group.seen()).or_else(|| string.last_written());
    match Box::pin(store_group(string, &group, base)).await {
        Ok((answers, stored)) => {
            group.answer(Ok(answers));
            stored
        }
        Err(error) => {
            group.answer(Err(error));
            None
        }
    }
}

async fn store_group(
    string: &SessionString<'_>,
    group: &Group,
    mut base: Option<Snapshot>,
) -> Result<(Vec<Written>, Option<Snapshot>)> {
    let mut is_read = false;
    loop {
        if base.is_none() {
            base = string.read().await?;
            is_read = true;
        }
        let Applied { new, mut answers } = group.apply(base.as_ref());
        // What one of them has seen may be too old to refuse another one's write.
        if !is_read && answers.contains(&Written::Refused) {
            base = None;
            continue;
        }
        let (Some(old), Some((new, ttl))) = (base, new) else { return Ok((answers, None)) };
        match string.swap(old.stored().as_bytes(), Some(&new), ttl).await? {
            Swap::Done => return Ok((answers, Some(new))),
            Swap::Gone => {
                answers.fill(Written::Refused);
                return Ok((answers, None));
            }
            Swap::Changed(now) => (base, is_read) = (Some(now), true),
        }
    }
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
