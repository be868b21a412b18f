//! A storage of your own, and the conformance suite that tests it.
//!
//! `cargo run -p session-actix --example own_storage`

use std::{collections::HashMap, sync::Mutex, time::Duration};

use async_trait::async_trait;
use session_actix::{
    Changes, Result, SessionId, SetOptions, Snapshot, Storage, TtlRange, Written,
    session_core::conformance,
};
use tokio::time::Instant;

/// Keeps sessions in a map, in place of a database.
#[derive(Debug, Default)]
struct OwnStorage(Mutex<HashMap<SessionId, Entry>>);

#[derive(Debug)]
struct Entry {
    items: Snapshot,
    expires: Instant,
}

impl OwnStorage {
    /// Runs `step` on the entry of a session, which it may change or remove, as one atomic step.
    ///
    /// With a database this is a transaction: `SELECT … FOR UPDATE`, the step, then `INSERT`,
    /// `UPDATE` or `DELETE`.
    fn step<T>(&self, id: &SessionId, step: impl FnOnce(&mut Option<Entry>) -> T) -> Result<T> {
        let mut sessions = self.0.lock().expect("no step panics");
        let mut entry = sessions.remove(id).filter(|entry| entry.expires > Instant::now());
        let answer = step(&mut entry);
        sessions.extend(entry.map(|entry| (id.clone(), entry)));
        Ok(answer)
    }

    /// Does the same where only a session counts, and not the marker of a renewed id.
    fn session_step<T>(
        &self,
        id: &SessionId,
        step: impl FnOnce(&mut Option<Entry>) -> T,
    ) -> Result<T> {
        self.step(id, |entry| {
            let is_marker = entry.as_ref().is_some_and(|entry| entry.items.is_marker());
            if is_marker { step(&mut None) } else { step(entry) }
        })
    }
}

#[async_trait]
impl Storage for OwnStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.step(id, |entry| Some(entry.as_ref()?.items.clone()))
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        self.step(id, |entry| {
            let stored = entry.as_ref().map(|entry| &entry.items);
            let Some((items, ttl)) = options.apply(changes, stored) else {
                return Written::Refused;
            };
            let written = Written::saved(&items);
            *entry = Some(Entry { items, expires: Instant::now() + ttl });
            written
        })
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        self.session_step(id, |entry| {
            let range = entry.as_ref().and_then(|entry| ttl.of(&entry.items));
            // A session that has ended is removed.
            *entry = entry.take().filter(|_| range.is_some());
            if let (Some(entry), Some(range)) = (entry, range) {
                entry.expires = Instant::now() + range.clamp(entry.expires - Instant::now());
            }
            range.is_some()
        })
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        let as_seen = |entry: &mut Entry| if_seen.is_none_or(|seen| *seen == entry.items);
        self.session_step(id, |entry| entry.take_if(as_seen).is_some())
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.session_step(id, |entry| Some(entry.as_ref()?.expires - Instant::now()))
    }
}

#[tokio::main]
async fn main() {
    conformance::run(async || OwnStorage::default()).await.unwrap();
    println!("The storage keeps the contract.");
}
