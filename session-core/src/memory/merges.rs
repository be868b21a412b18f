//! Merging changes into large sessions, where that holds up no other request.

use std::time::Duration;

use tokio::{
    sync::{Mutex, MutexGuard},
    task::spawn_blocking,
};

use crate::{Changes, Error, Result, SetOptions, Snapshot, storage::OwnedSetOptions};

/// Merging this many bytes takes about as long as a hundred small requests.
const LARGE: usize = 256 * 1024;
/// How many large sessions are merged at once, at most.
const TURNS: usize = 8;

/// The turns of those who merge: each starts from what the one before has stored.
#[derive(Default)]
pub(super) struct Merges([Mutex<()>; TURNS]);

impl Merges {
    pub(super) async fn turn(&self, shard: usize) -> MutexGuard<'_, ()> {
        self.0[shard % TURNS].lock().await
    }
}

/// Returns whether a session is large, or may be once changes of this size are applied.
pub(super) fn is_large(stored: Option<&Snapshot>, size: usize) -> bool {
    size + stored.map_or(0, |stored| stored.stored().len()) >= LARGE
}

/// Applies changes on a thread for blocking work.
pub(super) async fn merge(
    changes: &Changes,
    options: SetOptions<'_>,
    stored: Option<Snapshot>,
) -> Result<Option<(Snapshot, Duration)>> {
    let (changes, options) = (changes.clone(), OwnedSetOptions::from(options));
    let merge = move || options.borrowed().apply(&changes, stored.as_ref());
    let ended = |_| Error::storage("memory", "the runtime is shutting down");
    spawn_blocking(merge).await.map_err(ended)
}
