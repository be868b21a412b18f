//! A hot key, written elsewhere and read here.

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

/// After this much quiet every read has to show the last write.
pub const QUIET: Duration = Duration::from_millis(5);

/// Later than this no announcement is still on its way.
pub const LATE: Duration = Duration::from_millis(200);

/// What is left of a session that was written after something else has happened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Left {
    Session,
    Nothing,
}

/// Twenty quick writes elsewhere against spinning readers here, then what `disturb` does; then,
/// after some quiet, every reader has to read what is left. Returns in how many rounds one did not.
pub async fn stale_rounds(
    other: &dyn Storage,
    rounds: u64,
    readers: usize,
    storage: Arc<dyn Storage>,
    disturb: impl AsyncFn(&SessionId) -> Left,
) -> u64 {
    let id = SessionId::random();
    let created = other.set_session(&id, &numbered(0), CREATE).await;
    assert_eq!(created.unwrap(), Written::Saved);
    let ended = Arc::new(AtomicBool::new(false));
    // The writer lets readers check once it has been quiet for long enough.
    let expected = Arc::new(AtomicU64::new(0));
    let stale = Arc::new(AtomicU64::new(0));
    let spin = || {
        let (storage, id) = (storage.clone(), id.clone());
        let (ended, expected, stale) = (ended.clone(), expected.clone(), stale.clone());
        tokio::spawn(async move {
            while !ended.load(Ordering::SeqCst) {
                let least = expected.load(Ordering::SeqCst);
                // As a session looks.
                let found = match storage.cached(&id) {
                    None => storage.get_session(&id).await,
                    cached => Ok(cached),
                };
                if let Ok(Some(session)) = found {
                    let read: u64 = session.get("n").unwrap().unwrap();
                    if read < least {
                        stale.store(1, Ordering::SeqCst);
                    }
                }
                tokio::task::yield_now().await;
            }
        })
    };
    let spinning: Vec<_> = (0..readers).map(|_| spin()).collect();
    let mut stale_rounds = 0;
    for round in 1..=rounds {
        let last = round * 20 + 19;
        for n in round * 20..=last {
            write(other, &id, &numbered(n)).await;
        }
        let left = disturb(&id).await;
        sleep(QUIET).await;
        // Where nothing is left, even the last write is an old one.
        expected.store(last + u64::from(left == Left::Nothing), Ordering::SeqCst);
        sleep(Duration::from_millis(3)).await;
        if stale.swap(0, Ordering::SeqCst) > 0 {
            // On a busy machine an announcement may wait for a core. What is kept wrongly stays
            // for a second.
            sleep(LATE).await;
            stale.store(0, Ordering::SeqCst);
            sleep(QUIET).await;
            stale_rounds += stale.swap(0, Ordering::SeqCst);
        }
        expected.store(0, Ordering::SeqCst);
    }
    ended.store(true, Ordering::SeqCst);
    for reader in spinning {
        reader.await.unwrap();
    }
    stale_rounds
}

/// Writes even if that takes several attempts, on a machine too busy to answer in time.
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
