//! Answers of the store that arrive after the request has continued, and waiting that is given up.

use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use futures_util::{FutureExt as _, future::join_all};
use serde_json::value::RawValue;
use session_core::{
    Changes, Closed, Error, Granularity, Manager, MemoryStorage, Outcome, RenameOptions, Result,
    SessionId, SetOptions, Snapshot, Storage, TtlRange, Written,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout},
};

use super::{create, is_whole, managers};

/// A storage of items. Its writes take effect at once, but are answered when the test allows it.
#[derive(Debug, Default)]
struct LateStorage {
    memory: MemoryStorage,
    /// Whether writes wait before they take effect, instead of before their answer.
    is_slow: AtomicBool,
    /// Whether writes wait for `answer`.
    is_late: AtomicBool,
    answer: Notify,
}

impl LateStorage {
    /// Lets the waiting writes continue. Later ones do not wait.
    fn answer(&self) {
        self.is_late.store(false, Ordering::Relaxed);
        self.answer.notify_waiters();
    }

    async fn wait(&self) {
        if self.is_late.load(Ordering::Relaxed) {
            self.answer.notified().await;
        }
    }
}

#[async_trait]
impl Storage for LateStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.memory.get_session(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        if self.is_slow.load(Ordering::Relaxed) {
            self.wait().await;
            return self.memory.set_session(id, changes, options).await;
        }
        let written = self.memory.set_session(id, changes, options).await;
        self.wait().await;
        written
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        self.memory.update_ttl(id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        self.memory.remove_all(id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.memory.expires_in(id).await
    }

    fn granularity(&self) -> Granularity {
        Granularity::Item
    }

    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        self.memory.get(id, key).await
    }

    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        self.memory.rename(from, to, options).await
    }
}

/// Opens a stored session, reads it, and makes its writes wait from then on.
async fn read_session() -> (Arc<LateStorage>, session_core::Session, SessionId) {
    let storage = Arc::new(LateStorage::default());
    let manager = Manager::builder(storage.clone()).build().unwrap();
    let id = create(&manager).await;
    let session = manager.open(Some(id.clone()));
    assert!(session.contains("n").await.unwrap());
    storage.is_late.store(true, Ordering::Relaxed);
    (storage, session, id)
}

#[tokio::test]
async fn g4_a_late_answer_does_not_bring_back_the_id_before_a_renewal() {
    let (storage, session, old) = read_session().await;
    let mut set = pin!(session.set("m", 2));
    assert!(set.as_mut().now_or_never().is_none());
    let new = session.regenerate_id().await.unwrap().unwrap();
    storage.answer();
    set.await.unwrap();
    assert_eq!(session.id().await.unwrap(), Some(new.clone()));
    let Closed { outcome, failure, .. } = session.close().await;
    assert!(failure.is_none());
    assert_eq!(outcome, Outcome::Issued { id: new.clone() });
    let stored = storage.get_session(&new).await.unwrap().unwrap();
    assert_eq!(stored.to_json(), r#"{"m":2,"n":1}"#);
    assert!(storage.expires_in(&old).await.unwrap().is_none());
}

#[tokio::test]
async fn g4_a_write_overtaken_by_the_renewal_of_its_own_request_is_not_lost() {
    let (storage, session, _) = read_session().await;
    storage.is_slow.store(true, Ordering::Relaxed);
    let mut set = pin!(session.set("m", 2));
    assert!(set.as_mut().now_or_never().is_none());
    let new = session.regenerate_id().await.unwrap().unwrap();
    storage.answer();
    set.await.unwrap();
    assert!(session.close().await.failure.is_none());
    let stored = storage.get_session(&new).await.unwrap().unwrap();
    assert_eq!(stored.to_json(), r#"{"m":2,"n":1}"#);
}

#[tokio::test]
async fn a_late_answer_does_not_reopen_a_closed_session() {
    let (storage, session, id) = read_session().await;
    let mut set = pin!(session.set("m", 2));
    assert!(set.as_mut().now_or_never().is_none());
    let closed = session.try_close().expect("nothing is pending");
    assert!(matches!(closed.outcome, Outcome::Kept { id: kept, .. } if kept == id));
    storage.answer();
    set.await.unwrap();
    assert!(matches!(session.get::<u32>("n").await, Err(Error::Closed)));
    assert!(matches!(session.set("n", 2).await, Err(Error::Closed)));
}

#[tokio::test]
async fn g2_a_late_answer_does_not_bring_back_a_session_that_its_request_has_ended() {
    let (storage, session, id) = read_session().await;
    let mut set = pin!(session.set("m", 2));
    assert!(set.as_mut().now_or_never().is_none());
    session.remove_all().await.unwrap();
    storage.answer();
    set.await.unwrap();
    assert_eq!(session.id().await.unwrap(), None);
    assert_eq!(session.close().await.outcome, Outcome::Ended);
    assert!(storage.get_session(&id).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn g8_a_future_that_is_kept_unpolled_does_not_make_others_wait_for_ever() {
    for (manager, probe) in managers() {
        let session = manager.open(Some(create(&manager).await));
        probe.hang();
        let start = Instant::now();
        let mut kept = pin!(session.data());
        assert!(kept.as_mut().now_or_never().is_none());
        let size = session.size().await;
        if is_whole(&manager) {
            assert!(matches!(size, Err(Error::Timeout)), "{size:?}");
        }
        let closed = session.close().await;
        assert!(start.elapsed() <= manager.timeout(), "{:?}", start.elapsed());
        drop(closed);
    }
}

#[tokio::test(start_paused = true)]
async fn g8_waiting_that_was_given_up_counts() {
    for (manager, probe) in managers() {
        let session = manager.open(Some(create(&manager).await));
        probe.hang();
        let start = Instant::now();
        for _ in 0..40 {
            let _ = timeout(manager.timeout() / 20, session.data()).await;
        }
        assert_eq!(start.elapsed(), manager.timeout());
    }
}

#[tokio::test(start_paused = true)]
async fn waiting_at_the_same_time_counts_once() {
    for (manager, probe) in managers() {
        let session = manager.open(Some(create(&manager).await));
        session.contains("n").await.unwrap();
        let limit = manager.timeout();
        probe.slow_down(limit * 2 / 5, Duration::MAX);
        for _ in 0..2 {
            let sizes = join_all((0..5).map(|_| session.expires_in())).await;
            assert!(sizes.iter().all(Result::is_ok));
        }
        assert!(session.expires_in().await.is_err(), "a third time is too long");
    }
}
