//! A storage under test, and the words the checks are written in.

use std::{error::Error as _, fmt, ops::Deref, sync::Arc, time::Duration};

use tokio::task::{JoinError, JoinHandle, yield_now};

use crate::{Changes, Error, SessionId, SetOptions, Snapshot, Storage, Written};

pub(super) type Outcome<T = ()> = Result<T, Complaint>;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(3600);

/// Why a check failed, as a sentence.
pub(super) struct Complaint(pub(super) String);

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Error> for Complaint {
    fn from(error: Error) -> Self {
        let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
        Self(format!("an operation failed: {error}{cause}"))
    }
}

impl From<JoinError> for Complaint {
    fn from(panic: JoinError) -> Self {
        Self(panic.to_string())
    }
}

/// Ends a check with a complaint unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($complaint:tt)+) => {
        if !$holds {
            return Err($crate::conformance::subject::Complaint(format!($($complaint)+)));
        }
    };
}

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

    /// Creates a session that lives for an hour.
    pub(super) async fn create(&self, items: &str) -> Outcome<SessionId> {
        let id = SessionId::random();
        self.create_for(&id, items, HOUR).await?;
        Ok(id)
    }

    pub(super) async fn create_for(&self, id: &SessionId, items: &str, ttl: Duration) -> Outcome {
        let written = self.set_session(id, &set(items), SetOptions::create(ttl)).await?;
        ensure!(written == Written::Saved, "creating a session at a free id answered {written:?}");
        Ok(())
    }

    /// Updates a session without a word about what was seen of it.
    pub(super) async fn update(&self, id: &SessionId, changes: &Changes) -> Outcome<Written> {
        Ok(self.set_session(id, changes, SetOptions::update(HOUR)).await?)
    }

    /// Demands that the session has exactly these items, given in the order of their keys.
    pub(super) async fn demand(&self, id: &SessionId, items: &str) -> Outcome {
        let found = self.json(id).await?;
        ensure!(found.as_deref() == Some(items), "the session is {found:?} instead of {items}");
        Ok(())
    }

    pub(super) async fn demand_none(&self, id: &SessionId) -> Outcome {
        let found = self.json(id).await?;
        ensure!(found.is_none(), "there is a session where there should be none: {found:?}");
        Ok(())
    }

    /// Demands a time to live that was set to `ttl` a moment ago.
    pub(super) async fn demand_ttl(&self, id: &SessionId, ttl: Duration) -> Outcome {
        let left = self.expires_in(id).await?;
        let fits = left.is_some_and(|left| left <= ttl && left + MINUTE / 2 > ttl);
        ensure!(fits, "the time left is {left:?} instead of {ttl:?}");
        Ok(())
    }

    pub(super) async fn session(&self, id: &SessionId) -> Outcome<Snapshot> {
        let session = self.get_session(id).await?;
        session.ok_or_else(|| Complaint("the session is missing".to_owned()))
    }

    /// What the session is, and is from then on at hand, if it is at hand at all.
    async fn json(&self, id: &SessionId) -> Outcome<Option<String>> {
        let json = |session: Snapshot| session.to_json().into_owned();
        let found = self.get_session(id).await?.map(json);
        let cached = self.cached(id).map(json);
        let agrees = cached.is_none() || cached == found;
        ensure!(agrees, "the session is {found:?}, but {cached:?} is at hand");
        Ok(found)
    }

    /// Lets others go on, for as long as the storage needs for so many reads.
    ///
    /// Tasks that take different numbers of turns meet at different points of their operations,
    /// however fast the storage is and however many threads there are.
    pub(super) async fn turns(&self, turns: usize) -> Outcome {
        let nobody = SessionId::random();
        for _ in 0..turns {
            yield_now().await;
            self.get_session(&nobody).await?;
        }
        Ok(())
    }

    /// Runs `work` on this storage in a task of its own.
    pub(super) fn spawn<T, F>(&self, work: impl FnOnce(Self) -> F) -> JoinHandle<Outcome<T>>
    where
        T: Send + 'static,
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        tokio::spawn(work(self.clone()))
    }
}

/// Waits for all tasks.
pub(super) async fn all<T>(tasks: Vec<JoinHandle<Outcome<T>>>) -> Outcome<Vec<T>> {
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await??);
    }
    Ok(results)
}

/// The changes that set these items, the members of a JSON object.
pub(super) fn set(items: &str) -> Changes {
    let items = Snapshot::parse(items).expect("the suite's own items are a JSON object");
    items.map_or_else(Changes::new, |items| Changes::between(None, &items))
}

/// The changes that set items and remove keys.
pub(super) fn change(items: &str, removed: &[&str]) -> Changes {
    let mut changes = set(items);
    removed.iter().for_each(|key| changes.remove(*key));
    changes
}

/// Two items that are always written together.
pub(super) fn pair(number: usize) -> Changes {
    set(&format!(r#"{{"one":{number},"other":{number}}}"#))
}

/// Demands that a session written in pairs has no half of one.
pub(super) fn demand_pair(session: &Snapshot) -> Outcome {
    let whole = session.item("one").is_some() && session.item("one") == session.item("other");
    ensure!(whole, "half a write is seen: {}", session.to_json());
    Ok(())
}
