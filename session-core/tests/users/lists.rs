//! Lists of a user's sessions beside a renewal, with its steps in every place between their reads.

use std::{
    slice,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use session_core::{
    Changes, NewEntry, RenameOptions, Result, SetOptions, Snapshot, TtlRange, UserEntry, UserIndex,
    Written,
};

use crate::*;

const USER: &str = "bob";
/// More reads than are made while a renewal goes on.
const READS: usize = 16;
const MOST_READS: usize = 40;
/// How many steps a renewal takes.
const STEPS: usize = 3;

/// A store in which a renewal takes each of its steps before one of the reads.
#[derive(Clone, Debug)]
struct RenewsBetweenReads(Arc<State>);

#[derive(Debug)]
struct State {
    storage: MemoryStorage,
    /// The numbers of the reads before which the steps are due.
    due: [usize; STEPS],
    lists_new_first: bool,
    reads: AtomicUsize,
    steps: AtomicUsize,
    /// The id before and the id after, once there is a session to renew.
    ids: OnceLock<[SessionId; 2]>,
}

impl State {
    fn index(&self) -> &dyn UserIndex {
        self.storage.users().expect("it has one")
    }

    /// Takes the steps that are due before a read.
    async fn read(&self) -> Result<()> {
        let Some([old, new]) = self.ids.get() else { return Ok(()) };
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        while self.due.get(self.steps.load(Ordering::Relaxed)).is_some_and(|&due| due <= read) {
            match self.steps.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    let entry = NewEntry::ttl(TTL).renewing(old);
                    assert!(self.index().add(USER, new, entry).await?);
                }
                1 => {
                    let options = RenameOptions::grace(TTL).salt("ge3tqmzwgiydenjt");
                    assert!(self.storage.rename(old, new, options).await?);
                }
                _ => self.index().remove(USER, slice::from_ref(old)).await?,
            }
        }
        Ok(())
    }
}

#[async_trait::async_trait]
impl Storage for RenewsBetweenReads {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.0.read().await?;
        self.0.storage.get_session(id).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.0.read().await?;
        self.0.storage.expires_in(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        self.0.storage.set_session(id, changes, options).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        self.0.storage.update_ttl(id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        self.0.storage.remove_all(id, if_seen).await
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        Some(self)
    }
}

#[async_trait::async_trait]
impl UserIndex for RenewsBetweenReads {
    async fn list(&self, user: &str) -> Result<Vec<UserEntry>> {
        self.0.read().await?;
        let mut entries = self.0.index().list(user).await?;
        let is_new = |id: &SessionId| self.0.ids.get().is_some_and(|[_, new]| id == new);
        entries.sort_by_key(|entry| is_new(&entry.id) != self.0.lists_new_first);
        Ok(entries)
    }

    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> Result<bool> {
        self.0.index().add(user, id, entry).await
    }

    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.0.index().end(user, ids).await
    }

    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.0.index().remove(user, ids).await
    }
}

/// Lists the only session of a user beside its renewal. Returns how many are in the list.
async fn count_beside_renewal(due: [usize; STEPS], lists_new_first: bool) -> usize {
    let state = State {
        storage: MemoryStorage::new(),
        due,
        lists_new_first,
        reads: AtomicUsize::new(0),
        steps: AtomicUsize::new(0),
        ids: OnceLock::new(),
    };
    let storage = RenewsBetweenReads(Arc::new(state));
    let manager = Manager::builder(storage.clone()).ttl(TTL).build().unwrap();
    let old = log_in(&manager, USER).await;
    storage.0.ids.set([old, SessionId::random()]).unwrap();
    let count = count(&manager, USER).await;
    assert!(storage.0.reads.load(Ordering::Relaxed) <= MOST_READS, "a few rounds are enough");
    count
}

#[tokio::test]
async fn g17_a_list_has_a_session_once_while_it_is_renewed() {
    for add in 0..READS {
        for rename in add..READS {
            for remove in rename..READS {
                for lists_new_first in [false, true] {
                    let due = [add, rename, remove];
                    let count = count_beside_renewal(due, lists_new_first).await;
                    assert_eq!(count, 1, "steps before the reads {due:?}, {lists_new_first}");
                }
            }
        }
    }
}
