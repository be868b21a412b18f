//! Which values are large.

use std::{
    collections::{HashMap, VecDeque},
    sync::atomic::{AtomicUsize, Ordering},
};

use crate::shards::Shards;

/// Values of this many bytes take long enough to receive, parse and copy to delay other requests:
/// 10 MB keep a thread busy for 15 ms.
const LARGE: usize = 256 * 1024;
const SHARDS: usize = 32;
/// Beyond this many sessions in a shard the oldest are forgotten, and noted again when next seen.
const MAX_SESSIONS: usize = 128;
/// The same for the items of one session.
const MAX_ITEMS: usize = 16;

/// The values that were large when last seen: sessions, and single items of sessions.
#[derive(Debug, Default)]
pub(super) struct LargeValues {
    /// The number of sessions in all shards. While it is 0, which it nearly always is, no request
    /// takes a lock.
    count: AtomicUsize,
    shards: Shards<Sessions, SHARDS>,
}

#[derive(Debug, Default)]
struct Sessions {
    by_id: HashMap<Box<str>, Session>,
    by_age: VecDeque<Box<str>>,
}

/// What is large of a session.
#[derive(Debug, Default)]
struct Session {
    is_large: bool,
    items: VecDeque<Box<str>>,
}

/// Returns whether a value of this size is large.
pub(crate) fn is_large(bytes: usize) -> bool {
    bytes >= LARGE
}

impl LargeValues {
    /// Returns whether any value was large when last seen.
    fn has_any(&self) -> bool {
        self.count.load(Ordering::Relaxed) > 0
    }

    /// Returns whether this session was large when last seen.
    pub(super) fn has(&self, id: &str) -> bool {
        self.has_any() && self.shards.lock(id).by_id.get(id).is_some_and(|session| session.is_large)
    }

    /// Returns whether this item of a session was large when last seen.
    pub(super) fn has_item(&self, id: &str, item: &str) -> bool {
        self.has_any() && self.shards.lock(id).by_id.get(id).is_some_and(|it| it.has_item(item))
    }

    /// Notes the size in bytes of a part of a session, which may be larger.
    pub(super) fn note_part(&self, id: &str, bytes: usize) {
        if is_large(bytes) {
            self.change(id, |session| session.is_large = true);
        }
    }

    /// Notes the size in bytes of a session, 0 if there is none.
    pub(super) fn note_whole(&self, id: &str, bytes: usize) {
        if is_large(bytes) {
            self.change(id, |session| session.is_large = true);
        } else if self.has_any() {
            // None of its items is large either.
            self.change(id, |session| *session = Session::default());
        }
    }

    /// Notes the size in bytes of an item, 0 if there is none.
    pub(super) fn note_item(&self, id: &str, item: &str, bytes: usize) {
        if is_large(bytes) {
            self.change(id, |session| session.add_item(item));
        } else if self.has_any() {
            self.change(id, |session| session.items.retain(|other| **other != *item));
        }
    }

    fn change(&self, id: &str, change: impl FnOnce(&mut Session)) {
        let mut sessions = self.shards.lock(id);
        let before = sessions.by_id.len();
        sessions.change(id, change);
        // Counted under the lock, so that it never falls below the number of sessions.
        match sessions.by_id.len().checked_sub(before) {
            Some(more) => self.count.fetch_add(more, Ordering::Relaxed),
            None => self.count.fetch_sub(before - sessions.by_id.len(), Ordering::Relaxed),
        };
    }
}

impl Sessions {
    /// Changes what is large of a session, and forgets it if nothing is.
    fn change(&mut self, id: &str, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.by_id.get_mut(id) {
            change(session);
            if session.is_small() {
                self.by_id.remove(id);
                self.by_age.retain(|other| **other != *id);
            }
            return;
        }
        let mut session = Session::default();
        change(&mut session);
        if session.is_small() {
            return;
        }
        self.by_id.insert(id.into(), session);
        self.by_age.push_back(id.into());
        if self.by_age.len() > MAX_SESSIONS
            && let Some(oldest) = self.by_age.pop_front()
        {
            self.by_id.remove(&oldest);
        }
    }
}

impl Session {
    fn is_small(&self) -> bool {
        !self.is_large && self.items.is_empty()
    }

    fn has_item(&self, item: &str) -> bool {
        self.items.iter().any(|other| **other == *item)
    }

    fn add_item(&mut self, item: &str) {
        if self.has_item(item) {
            return;
        }
        self.items.push_back(item.into());
        if self.items.len() > MAX_ITEMS {
            self.items.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_large_until_they_shrink_or_end() {
        for small in [0, LARGE - 1] {
            let large = LargeValues::default();
            large.note_whole("a", LARGE - 1);
            assert!(!large.has("a") && !large.has_any());
            large.note_whole("a", LARGE);
            assert!(large.has("a") && !large.has("b"));
            large.note_part("a", small);
            large.note_whole("b", small);
            assert!(large.has("a"), "it may be larger than its part");
            large.note_whole("a", small);
            assert!(!large.has("a") && !large.has_any());
        }
    }

    #[test]
    fn items_are_large_until_they_shrink_or_the_session_does() {
        let large = LargeValues::default();
        large.note_item("a", "x", LARGE);
        assert!(large.has_item("a", "x") && !large.has_item("a", "y") && !large.has_item("b", "x"));
        assert!(!large.has("a"), "only an item was seen");
        large.note_item("a", "y", LARGE);
        large.note_item("a", "x", LARGE - 1);
        assert!(!large.has_item("a", "x") && large.has_item("a", "y"));
        large.note_whole("a", LARGE);
        large.note_item("a", "y", 0);
        assert!(large.has("a") && !large.has_item("a", "y"));
        large.note_item("a", "x", LARGE);
        large.note_whole("a", 0);
        assert!(!large.has("a") && !large.has_item("a", "x") && !large.has_any());
    }

    #[test]
    fn the_oldest_of_too_many_are_forgotten() {
        let large = LargeValues::default();
        let ids: Vec<String> = (0..SHARDS * MAX_SESSIONS * 2).map(|n| n.to_string()).collect();
        ids.iter().for_each(|id| large.note_part(id, LARGE));
        let remembered = ids.iter().filter(|id| large.has(id)).count();
        assert!(!large.has("0") && large.has(ids.last().unwrap()));
        assert!(remembered <= SHARDS * MAX_SESSIONS, "{remembered}");
        assert_eq!(large.count.load(Ordering::Relaxed), remembered);
        for number in 0..=MAX_ITEMS {
            large.note_item("a", &number.to_string(), LARGE);
        }
        assert!(!large.has_item("a", "0") && large.has_item("a", "1"));
        ids.iter().for_each(|id| large.note_whole(id, 0));
        large.note_whole("a", 0);
        assert!(!large.has_any());
    }
}
