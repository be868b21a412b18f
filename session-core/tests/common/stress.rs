//! A stress test of the near cache: a hot session, written by another storage.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use session_core::{Changes, SessionId, Storage, Written};
use tokio::time::sleep;

use super::{CREATE, TTL, UPDATE, changes};

/// After this time without writes, every read must return the last write.
pub const QUIET: Duration = Duration::from_millis(5);

/// An upper bound on the delay of an invalidation message, even on a busy machine.
pub const MAX_DELAY: Duration = Duration::from_millis(200);

/// Whether a disturbance leaves the session in place.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum After {
    Exists,
    Removed,
}

/// Counts the rounds in which a reader sees a stale session.
///
/// In each round `other` writes twenty times while readers poll `storage`, and then `disturb` is
/// called. After [`QUIET`], every reader must see the result.
pub async fn stale_rounds(
    other: &dyn Storage,
    rounds: u64,
    readers: usize,
    storage: Arc<dyn Storage>,
    disturb: impl AsyncFn(&SessionId) -> After,
) -> u64 {
    let id = SessionId::random();
    let created = other.set_session(&id, &numbered(0), CREATE).await;
    assert_eq!(created.unwrap(), Written::Saved);
    let ended = Arc::new(AtomicBool::new(false));
    // The lowest number that a reader may see; 0 during writes, when any is correct.
    let lowest = Arc::new(AtomicU64::new(0));
    let stale = Arc::new(AtomicU64::new(0));
    let spawn_reader = || {
        let (storage, id) = (storage.clone(), id.clone());
        let (ended, lowest, stale) = (ended.clone(), lowest.clone(), stale.clone());
        tokio::spawn(async move {
            while !ended.load(Ordering::SeqCst) {
                let lowest = lowest.load(Ordering::SeqCst);
                // The same order as in a `Session`.
                let found = match storage.cached(&id) {
                    None => storage.get_session(&id).await,
                    cached => Ok(cached),
                };
                if let Ok(Some(session)) = found {
                    let read: u64 = session.get("n").unwrap().unwrap();
                    if read < lowest {
                        stale.store(1, Ordering::SeqCst);
                    }
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let tasks: Vec<_> = (0..readers).map(|_| spawn_reader()).collect();
    let mut stale_rounds = 0;
    for round in 1..=rounds {
        let last = round * 20 + 19;
        for n in round * 20..=last {
            write(other, &id, &numbered(n)).await;
        }
        let after = disturb(&id).await;
        sleep(QUIET).await;
        // If the session was removed, even the last write is stale.
        lowest.store(last + u64::from(after == After::Removed), Ordering::SeqCst);
        sleep(Duration::from_millis(3)).await;
        if stale.swap(0, Ordering::SeqCst) > 0 {
            // On a busy machine the invalidation may be late. A session that is cached wrongly
            // stays for a second.
            sleep(MAX_DELAY).await;
            stale.store(0, Ordering::SeqCst);
            sleep(QUIET).await;
            stale_rounds += stale.swap(0, Ordering::SeqCst);
        }
        lowest.store(0, Ordering::SeqCst);
    }
    ended.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    stale_rounds
}

/// Writes until a write succeeds: on a busy machine, attempts may time out.
async fn write(other: &dyn Storage, id: &SessionId, changes: &Changes) {
    for options in [UPDATE, CREATE].into_iter().cycle() {
        if let Ok(Written::Saved) = other.set_session(id, changes, options).await {
            return;
        }
    }
}

fn numbered(n: u64) -> Changes {
    changes(&format!("{{\"n\":{n}}}"), &[])
}
