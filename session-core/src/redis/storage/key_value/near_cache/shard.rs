//! The entries under one lock.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;

use crate::{SessionId, Snapshot};

/// How long an entry may be served. Covers changes that are not announced: over a half-open
/// connection, or an expiry that the server has not noticed yet.
pub(super) const LONGEST_AGE: Duration = Duration::from_secs(1);
/// The approximate cost of an entry beside its text, in the map and the queue.
const OVERHEAD: usize = 256;

#[derive(Debug, Default)]
pub(super) struct Shard {
    entries: HashMap<SessionId, Entry>,
    /// The cached sessions by age, for eviction. One that is gone is skipped by its token.
    by_age: VecDeque<(SessionId, u64)>,
    bytes: usize,
    next_token: u64,
    pub(super) counts: Counts,
}

/// What has happened so far.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) hits: u64,
    pub(super) misses: u64,
    pub(super) invalidations: u64,
}

#[derive(Debug)]
struct Entry {
    token: u64,
    since: Instant,
    /// The number of announcements to ignore, because the entry's own write causes them.
    own_invalidations: u32,
    content: Content,
}

#[derive(Debug)]
enum Content {
    /// The text is being read or written.
    Placeholder,
    Session(Snapshot),
}

/// What a shard has of a session.
pub(super) enum Found<'a> {
    Session(&'a Snapshot),
    Placeholder,
    Nothing,
}

impl Shard {
    /// Looks a session up. Entries that are too old to be served count as nothing; a placeholder
    /// that old belongs to a very slow read, whose answer is not wanted.
    pub(super) fn find(&self, id: &SessionId, now: Instant) -> Found<'_> {
        match self.entries.get(id).filter(|entry| now - entry.since < LONGEST_AGE) {
            Some(Entry { content: Content::Session(session), .. }) => Found::Session(session),
            Some(_) => Found::Placeholder,
            None => Found::Nothing,
        }
    }

    /// Replaces whatever is there by a placeholder. Returns its token.
    pub(super) fn reserve(
        &mut self,
        id: &SessionId,
        since: Instant,
        own_invalidations: u32,
    ) -> u64 {
        self.remove(id.as_str());
        self.next_token += 1;
        let token = self.next_token;
        let content = Content::Placeholder;
        self.entries.insert(id.clone(), Entry { token, since, own_invalidations, content });
        token
    }

    /// Puts a session in the place of the placeholder with this token, if that still exists. The
    /// entry's age counts from when the placeholder was set.
    pub(super) fn fill(&mut self, id: &SessionId, token: u64, session: &Snapshot, capacity: usize) {
        let cost = cost(id, session);
        if cost > capacity {
            return;
        }
        let Some(entry) = self.placeholder(id, token) else { return };
        entry.content = Content::Session(session.clone());
        self.bytes += cost;
        self.by_age.push_back((id.clone(), token));
        self.shrink(capacity);
    }

    /// Removes the placeholder with this token, if it still exists.
    pub(super) fn release(&mut self, id: &SessionId, token: u64) {
        if self.placeholder(id, token).is_some() {
            self.remove(id.as_str());
        }
    }

    /// Takes in that a session has changed.
    pub(super) fn invalidate(&mut self, id: &str) {
        let Some(entry) = self.entries.get_mut(id) else { return };
        if entry.own_invalidations > 0 {
            entry.own_invalidations -= 1;
            return;
        }
        self.remove(id);
        self.counts.invalidations += 1;
    }

    /// Removes everything. Tokens stay unique, so no placeholder of before is filled in.
    pub(super) fn clear(&mut self) {
        (self.entries, self.by_age, self.bytes) = Default::default();
    }

    /// Returns the bytes held, texts and bookkeeping.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn placeholder(&mut self, id: &SessionId, token: u64) -> Option<&mut Entry> {
        let entry = self.entries.get_mut(id)?;
        let is_own = entry.token == token && matches!(entry.content, Content::Placeholder);
        is_own.then_some(entry)
    }

    fn remove(&mut self, id: &str) {
        let Some((id, entry)) = self.entries.remove_entry(id) else { return };
        if let Content::Session(session) = &entry.content {
            self.bytes -= cost(&id, session);
        }
    }

    /// Removes entries that are too old to be served, and then the oldest until the rest fits.
    fn shrink(&mut self, capacity: usize) {
        while let Some((id, token)) = self.by_age.front() {
            let entry = self.entries.get(id).filter(|entry| entry.token == *token);
            let is_old = entry.is_none_or(|entry| entry.since.elapsed() >= LONGEST_AGE);
            if !is_old && self.bytes <= capacity {
                return;
            }
            let (id, token) = self.by_age.pop_front().expect("there is a front");
            if self.entries.get(&id).is_some_and(|entry| entry.token == token) {
                self.remove(id.as_str());
            }
        }
    }
}

fn cost(id: &SessionId, session: &Snapshot) -> usize {
    id.as_str().len() + session.stored().len() + session.len() * 32 + OVERHEAD
}
