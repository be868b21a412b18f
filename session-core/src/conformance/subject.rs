//! The storage under test, and the assertions that checks are made of.

use std::{error::Error as _, fmt, ops::Deref, sync::Arc, time::Duration};

use tokio::task::{JoinError, JoinHandle, yield_now};

use crate::{Changes, Error, SessionId, SetOptions, Snapshot, Storage, Written};

pub(super) type CheckResult<T = ()> = Result<T, CheckError>;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// The reason why a check failed, as a sentence.
pub(super) struct CheckError(pub(super) String);

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for CheckError {
    fn from(error: Error) -> Self {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Self(format!("an operation failed: {error}{cause}"))
    }
}

impl From<JoinError> for CheckError {
    fn from(panic: JoinError) -> Self {
        Self(panic.to_string())
    }
}

/// Fails the check with a message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::conformance::subject::CheckError(format!($($message)+)));
        }
    };
}

pub(super) use ensure;

/// The storage under test.
#[derive(Clone)]
pub(super) struct Subject(Arc<dyn Storage>);

impl Deref for Subject {
    type Target = dyn Storage;

    fn deref(&self) -> &Self::Target {
        &*self.0
    }
}

impl Subject {
    pub(super) fn new(storage: impl Storage) -> Self {
        Self(Arc::new(storage))
    }

    /// Creates a session under a random id that lives for an hour.
    pub(super) async fn create(&self, items: &str) -> CheckResult<SessionId> {
        let id = SessionId::random();
        self.create_at(&id, items, HOUR).await?;
        Ok(id)
    }

    /// Creates a session under a random id that lives for a minute.
    pub(super) async fn create_short(&self, items: &str) -> CheckResult<SessionId> {
        let id = SessionId::random();
        self.create_at(&id, items, MINUTE).await?;
        Ok(id)
    }

    pub(super) async fn create_at(
        &self,
        id: &SessionId,
        items: &str,
        ttl: Duration,
    ) -> CheckResult {
        let written = self.set_session(id, &set(items), SetOptions::create(ttl)).await?;
        ensure!(written == Written::Saved, "creating a session at a free id returned {written:?}");
        Ok(())
    }

    /// Updates a session without passing on a snapshot of it.
    pub(super) async fn update(&self, id: &SessionId, changes: &Changes) -> CheckResult<Written> {
        Ok(self.set_session(id, changes, SetOptions::update(HOUR)).await?)
    }

    /// Checks that the session has exactly these items, given in the order of their keys.
    pub(super) async fn ensure_items(&self, id: &SessionId, items: &str) -> CheckResult {
        let found = self.json(id).await?;
        ensure!(found.as_deref() == Some(items), "the session is {found:?} instead of {items}");
        Ok(())
    }

    pub(super) async fn ensure_absent(&self, id: &SessionId) -> CheckResult {
        let found = self.json(id).await?;
        ensure!(found.is_none(), "a session exists that should not: {found:?}");
        Ok(())
    }

    /// Checks that there is the marker of a renewal, which only `get_session` shows.
    pub(super) async fn ensure_marker(&self, id: &SessionId) -> CheckResult {
        let stored = self.get_session(id).await?;
        ensure!(stored.is_some_and(|stored| stored.is_marker()), "there is no marker");
        ensure!(self.expires_in(id).await?.is_none(), "expires_in found a marker");
        ensure!(self.get_size(id).await? == 0, "a marker has items");
        for key in ["a", "b", "$meta"] {
            ensure!(self.get(id, key).await?.is_none(), "a marker has the item {key}");
            ensure!(!self.contains(id, key).await?, "a marker contains the item {key}");
        }
        Ok(())
    }

    /// Checks that the time left is `ttl`, less a moment.
    pub(super) async fn ensure_ttl(&self, id: &SessionId, ttl: Duration) -> CheckResult {
        let left = self.expires_in(id).await?;
        let is_expected = left.is_some_and(|left| left <= ttl && left + MINUTE / 2 > ttl);
        ensure!(is_expected, "the time left is {left:?} instead of {ttl:?}");
        Ok(())
    }

    pub(super) async fn session(&self, id: &SessionId) -> CheckResult<Snapshot> {
        let session = self.get_session(id).await?;
        session.ok_or_else(|| CheckError("the session is missing".to_owned()))
    }

    /// Reads a session, and checks that a cached copy agrees with it.
    async fn json(&self, id: &SessionId) -> CheckResult<Option<String>> {
        let json = |session: Snapshot| session.to_json().into_owned();
        let found = self.get_session(id).await?.map(json);
        let cached = self.cached(id).map(json);
        let agrees = cached.is_none() || cached == found;
        ensure!(agrees, "the session is {found:?}, but cached returned {cached:?}");
        Ok(found)
    }

    /// Lets other tasks run for as long as the storage takes for this many reads.
    ///
    /// Tasks with different delays meet at different points of their operations, however fast the
    /// storage is and however many threads there are.
    pub(super) async fn delay(&self, reads: usize) -> CheckResult {
        let missing = SessionId::random();
        for _ in 0..reads {
            yield_now().await;
            self.get_session(&missing).await?;
        }
        Ok(())
    }

    /// Runs `work` on this storage in a task of its own.
    pub(super) fn spawn<T, F>(&self, work: impl FnOnce(Self) -> F) -> JoinHandle<CheckResult<T>>
    where
        T: Send + 'static,
        F: Future<Output = CheckResult<T>> + Send + 'static,
    {
        tokio::spawn(work(self.clone()))
    }
}

/// Waits for all tasks.
pub(super) async fn join_all<T>(tasks: Vec<JoinHandle<CheckResult<T>>>) -> CheckResult<Vec<T>> {
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await??);
    }
    Ok(results)
}

/// Returns the changes that set these items, given as a JSON object.
pub(super) fn set(items: &str) -> Changes {
    let items = Snapshot::parse(items).expect("the suite's own items are a JSON object");
    items.map_or_else(Changes::new, |items| Changes::between(None, &items))
}

/// Returns the changes that set these items and remove these keys.
pub(super) fn change(items: &str, removed: &[&str]) -> Changes {
    let mut changes = set(items);
    removed.iter().for_each(|key| changes.remove(*key));
    changes
}

/// Returns the changes that set two items to the same number. They are always written together.
pub(super) fn pair(number: usize) -> Changes {
    set(&format!(r#"{{"one":{number},"other":{number}}}"#))
}

/// Checks that a session written in pairs shows no half of a write.
pub(super) fn ensure_pair(session: &Snapshot) -> CheckResult {
    let is_pair = session.item("one").is_some() && session.item("one") == session.item("other");
    let is_whole = is_pair || session.is_empty();
    ensure!(is_whole, "half a write is visible: {}", session.to_json());
    Ok(())
}
