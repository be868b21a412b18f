//! The entries of one user, for storages that keep them in memory or in one text.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use super::{NewEntry, UserEntry};
use crate::{SessionId, lifetime::millis};

/// How long an id is remembered as ended that has no entry.
const ENDED_TTL: Duration = Duration::from_secs(60);

/// The entries of a user, by id. Times are in milliseconds of the storage's clock.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct UserEntries(BTreeMap<String, Entry>);

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Entry {
    expires: u64,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ended: bool,
}

impl UserEntries {
    /// Reads entries from their text. `None` if it cannot be read.
    #[cfg(feature = "file")]
    pub(crate) fn read(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Writes the entries as a JSON object.
    #[cfg(feature = "file")]
    pub(crate) fn write(&self) -> String {
        serde_json::to_string(self).expect("numbers and strings are always JSON")
    }

    /// Removes the entries that have expired. Returns when the last one of the others does.
    pub(crate) fn prune(&mut self, now: u64) -> Option<u64> {
        self.0.retain(|_, entry| entry.expires > now);
        self.0.values().map(|entry| entry.expires).max()
    }

    /// Adds an entry, as [`UserIndex::add`](super::UserIndex::add) says.
    pub(crate) fn add(&mut self, id: &SessionId, now: u64, new: NewEntry<'_>) -> bool {
        let is_ended = |id: &SessionId| self.0.get(id.as_str()).is_some_and(|entry| entry.ended);
        if is_ended(id) || new.from.is_some_and(is_ended) {
            return false;
        }
        let from = new.from.map(SessionId::as_str);
        let is_other = |(other, entry): &(&String, &Entry)| {
            !entry.ended && *other != id.as_str() && Some(other.as_str()) != from
        };
        let is_full = |max: usize| self.0.iter().filter(is_other).count() > max;
        if new.max_others.is_some_and(is_full) {
            return false;
        }
        if let Some(from) = from.filter(|_| new.removes_from) {
            self.0.remove(from);
        }
        let expires = now.saturating_add(millis(new.ttl));
        let entry = self.0.entry(id.as_str().to_owned());
        let entry = entry.or_insert(Entry { expires, ended: false });
        entry.expires = entry.expires.max(expires);
        true
    }

    /// Lists the entries. Those that have expired are to be removed before.
    pub(crate) fn list(&self) -> Vec<UserEntry> {
        let entry = |(id, entry): (&String, &Entry)| {
            Some(UserEntry::new(SessionId::parse(id).ok()?, entry.ended))
        };
        self.0.iter().filter_map(entry).collect()
    }

    /// Marks entries as ended, as [`UserIndex::end`](super::UserIndex::end) says.
    pub(crate) fn end(&mut self, ids: &[SessionId], now: u64) {
        for id in ids {
            let expires = now.saturating_add(millis(ENDED_TTL));
            let entry = self.0.entry(id.as_str().to_owned());
            entry.or_insert(Entry { expires, ended: true }).ended = true;
        }
    }

    pub(crate) fn remove(&mut self, ids: &[SessionId]) {
        for id in ids {
            self.0.remove(id.as_str());
        }
    }
}
