//! Lists of a user's sessions beside a renewal, with its steps in every place between their reads.

use std::{
    slice,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use session_core::{NewEntry, RenameOptions, Result, Snapshot, UserEntry, UserIndex};

use crate::{forwarding::forwarding_writes, *};

const USER: &str = "bob";
/// More reads than are made while a renewal goes on.
const READS: usize = 16;
const MOST_READS: usize = 40;
/// How many steps a renewal takes.
const STEPS: usize = 3;

/// A store in which a renewal takes each of its steps before one of the reads.
#[derive(Clone, Debug)]
struct RenewsBetweenReads(Arc<MemoryStorage>, Arc<Renewal>);

#[derive(Debug)]
struct Renewal {
    /// The numbers of the reads before which the steps are due.
    due: [usize; STEPS],
    lists_new_first: bool,
    reads: AtomicUsize,
    steps: AtomicUsize,
    /// The id before and the id after, once there is a session to renew.
    ids: OnceLock<[SessionId; 2]>,
}

impl RenewsBetweenReads {
    fn index(&self) -> &dyn UserIndex {
        self.0.users().expect("it has one")
    }
}

impl Renewal {
    /// Takes the steps that are due before a read.
    async fn read(&self, storage: &MemoryStorage) -> Result<()> {
        let index = storage.users().expect("it has one");
        let Some([old, new]) = self.ids.get() else { return Ok(()) };
        let read = self.reads.fetch_add(1, Ordering::Relaxed);
        while self.due.get(self.steps.load(Ordering::Relaxed)).is_some_and(|&due| due <= read) {
            match self.steps.fetch_add(1, Ordering::Relaxed) {
                0 => {
                    let entry = NewEntry::ttl(TTL).renewing(old);
                    assert!(index.add(USER, new, entry).await?);
                }
                1 => {
                    let options = RenameOptions::grace(TTL).salt("ge3tqmzwgiydenjt");
                    assert!(storage.rename(old, new, options).await?);
                }
                _ => index.remove(USER, slice::from_ref(old)).await?,
            }
        }
        Ok(())
    }
}

forwarding_writes!(RenewsBetweenReads {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.1.read(&self.0).await?;
        self.0.get_session(id).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.1.read(&self.0).await?;
        self.0.expires_in(id).await
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        Some(self)
    }
});

#[async_trait::async_trait]
impl UserIndex for RenewsBetweenReads {
    async fn list(&self, user: &str) -> Result<Vec<UserEntry>> {
        self.1.read(&self.0).await?;
        let mut entries = self.index().list(user).await?;
        let is_new = |id: &SessionId| self.1.ids.get().is_some_and(|[_, new]| id == new);
        entries.sort_by_key(|entry| is_new(&entry.id) != self.1.lists_new_first);
        Ok(entries)
    }

    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> Result<bool> {
        self.index().add(user, id, entry).await
    }

    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.index().end(user, ids).await
    }

    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.index().remove(user, ids).await
    }
}

/// Lists the only session of a user beside its renewal. Returns how many are in the list.
async fn count_beside_renewal(due: [usize; STEPS], lists_new_first: bool) -> usize {
    let renewal = Renewal {
        due,
        lists_new_first,
        reads: AtomicUsize::new(0),
        steps: AtomicUsize::new(0),
        ids: OnceLock::new(),
    };
    let storage = RenewsBetweenReads(Arc::default(), Arc::new(renewal));
    let manager = Manager::builder(storage.clone()).ttl(TTL).build().unwrap();
    let old = log_in(&manager, USER).await;
    storage.1.ids.set([old, SessionId::random()]).unwrap();
    let count = count(&manager, USER).await;
    assert!(storage.1.reads.load(Ordering::Relaxed) <= MOST_READS, "a few rounds are enough");
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
