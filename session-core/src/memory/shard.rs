//! A part of the sessions.

use std::collections::HashMap;

use tokio::time::Instant;

use super::bound::{Bound, Full, Space};
use crate::{SessionId, Snapshot, TtlRange};

/// Estimates of the bytes that an entry and each of its items take besides their text, as in the
/// near cache.
const OVERHEAD: usize = 256;
const ITEM_OVERHEAD: usize = 32;

#[derive(Default)]
pub(super) struct Shard {
    entries: HashMap<SessionId, Entry>,
    /// No entry expires before. Earlier than necessary after entries were extended or removed.
    next_expiry: Option<Instant>,
}

pub(super) struct Entry {
    pub(super) items: Snapshot,
    pub(super) expires: Instant,
}

impl Entry {
    /// Returns the space that the entry takes. A marker is no session.
    fn space(&self, id: &SessionId) -> Space {
        let text = id.as_str().len() + self.items.stored().len();
        Space {
            sessions: usize::from(!self.items.is_marker()),
            bytes: text + self.items.len() * ITEM_OVERHEAD + OVERHEAD,
        }
    }
}

impl Shard {
    /// Returns the entry unless it has expired. The sweep removes an expired entry, and a new
    /// session of the same id replaces it.
    pub(super) fn live(&self, id: &SessionId, now: Instant) -> Option<&Entry> {
        self.entries.get(id).filter(|entry| entry.expires > now)
    }

    /// Returns the entry if it is one of a session, and not a marker.
    pub(super) fn session(&self, id: &SessionId, now: Instant) -> Option<&Entry> {
        self.live(id, now).filter(|entry| !entry.items.is_marker())
    }

    /// Brings the time left to a session into a range, or removes it if it has ended. Returns
    /// whether there is a session.
    pub(super) fn clamp_ttl(
        &mut self,
        id: &SessionId,
        now: Instant,
        ttl: TtlRange,
        bound: Option<&Bound>,
    ) -> bool {
        let live = self.entries.get_mut(id).filter(|entry| entry.expires > now);
        let Some(entry) = live.filter(|entry| !entry.items.is_marker()) else { return false };
        let Some(ttl) = ttl.of(&entry.items) else {
            self.remove(id, bound);
            return false;
        };
        entry.expires = now + ttl.clamp(entry.expires - now);
        self.next_expiry = earlier(self.next_expiry, entry.expires);
        true
    }

    /// Returns the space that an entry takes here, also if it has expired.
    pub(super) fn space_at(&self, id: &SessionId) -> Space {
        self.entries.get(id).map_or(Space::NONE, |entry| entry.space(id))
    }

    /// Creates or replaces an entry, within the bound.
    pub(super) fn insert(
        &mut self,
        id: &SessionId,
        entry: Entry,
        bound: Option<&Bound>,
    ) -> Result<(), Full> {
        if let Some(bound) = bound {
            bound.replace(self.space_at(id), entry.space(id))?;
        }
        self.insert_unchecked(id, entry);
        Ok(())
    }

    fn insert_unchecked(&mut self, id: &SessionId, entry: Entry) {
        self.next_expiry = earlier(self.next_expiry, entry.expires);
        self.entries.insert(id.clone(), entry);
    }

    pub(super) fn remove(&mut self, id: &SessionId, bound: Option<&Bound>) {
        if let (Some(entry), Some(bound)) = (self.entries.remove(id), bound) {
            bound.release(entry.space(id));
        }
    }

    /// Removes expired entries. Returns whether there were any.
    pub(super) fn sweep(&mut self, now: Instant, bound: Option<&Bound>) -> bool {
        if self.next_expiry.is_none_or(|expiry| expiry > now) {
            return false;
        }
        let (mut freed, mut next_expiry, before) = (Space::NONE, None, self.entries.len());
        self.entries.retain(|id, entry| {
            if entry.expires > now {
                next_expiry = earlier(next_expiry, entry.expires);
                return true;
            }
            if bound.is_some() {
                freed = freed + entry.space(id);
            }
            false
        });
        self.next_expiry = next_expiry;
        if let Some(bound) = bound {
            bound.release(freed);
        }
        // After a burst of sessions the map would keep its capacity forever.
        self.entries.shrink_to(self.entries.len() * 2);
        self.entries.len() < before
    }

    /// Returns the ids of all entries, also of expired ones.
    pub(super) fn ids(&self) -> impl Iterator<Item = &SessionId> {
        self.entries.keys()
    }

    /// Returns the space that all entries take.
    pub(super) fn space(&self) -> Space {
        self.entries.iter().map(|(id, entry)| entry.space(id)).fold(Space::NONE, |a, b| a + b)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// Moves a session to an id that is free, and puts a marker in its place if there is one.
///
/// The shards are those of the session and of the new id; `None` if they are the same.
pub(super) fn rename(
    from: (&mut Shard, &SessionId),
    to: (Option<&mut Shard>, &SessionId),
    marker: Option<Entry>,
    bound: Option<&Bound>,
) -> Result<(), Full> {
    let ((source, from), (target, to)) = (from, to);
    if let Some(bound) = bound {
        let session = source.entries.get(from).expect("the caller has found it");
        let old = session.space(from) + target.as_deref().unwrap_or(source).space_at(to);
        let left = marker.as_ref().map_or(Space::NONE, |marker| marker.space(from));
        bound.replace(old, session.space(to) + left)?;
    }
    let session = source.entries.remove(from).expect("the caller has found it");
    if let Some(marker) = marker {
        source.insert_unchecked(from, marker);
    }
    target.unwrap_or(source).insert_unchecked(to, session);
    Ok(())
}

fn earlier(known: Option<Instant>, expiry: Instant) -> Option<Instant> {
    Some(known.map_or(expiry, |known| known.min(expiry)))
}
