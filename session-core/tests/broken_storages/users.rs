//! Faults of an index of users.

use std::{fmt::Debug, time::Duration};

use async_trait::async_trait;
use session_core::{
    Changes, MAX_TTL, MemoryStorage, NewEntry, Result, SessionId, SetOptions, Snapshot, Storage,
    TtlRange, UserEntry, UserIndex, Written, conformance,
};
use tokio::task::yield_now;

use super::assert_fails;

/// A fault of an index. The storage works correctly.
#[async_trait]
trait Fault: Debug + Default + Send + Sync + 'static {
    async fn add(
        inner: &dyn UserIndex,
        user: &str,
        id: &SessionId,
        entry: NewEntry<'_>,
    ) -> Result<bool> {
        inner.add(user, id, entry).await
    }

    async fn end(inner: &dyn UserIndex, user: &str, ids: &[SessionId]) -> Result<()> {
        inner.end(user, ids).await
    }

    fn user(user: &str) -> &str {
        user
    }

    fn tells_of_users() -> bool {
        true
    }
}

#[derive(Debug, Default)]
struct Broken<F> {
    inner: MemoryStorage,
    _fault: F,
}

impl<F> Broken<F> {
    fn index(&self) -> &dyn UserIndex {
        self.inner.users().expect("memory has an index")
    }
}

#[async_trait]
impl<F: Fault> UserIndex for Broken<F> {
    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> Result<bool> {
        F::add(self.index(), F::user(user), id, entry).await
    }

    async fn list(&self, user: &str) -> Result<Vec<UserEntry>> {
        self.index().list(F::user(user)).await
    }

    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        F::end(self.index(), F::user(user), ids).await
    }

    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.index().remove(F::user(user), ids).await
    }
}

#[async_trait]
impl<F: Fault> Storage for Broken<F> {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.inner.get_session(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let written = self.inner.set_session(id, changes, options).await?;
        let is_told = F::tells_of_users() || !written.is_saved();
        Ok(if is_told { written } else { Written::Saved })
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        self.inner.update_ttl(id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        self.inner.remove_all(id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.inner.expires_in(id).await
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        Some(self)
    }
}

async fn assert_detected<F: Fault>(expected: &[&str]) {
    assert_fails::<Broken<F>>(expected).await;
}

#[derive(Debug, Default)]
struct NoFault;

impl Fault for NoFault {}

#[tokio::test(start_paused = true)]
async fn an_index_without_a_fault_passes() {
    conformance::run(async || Broken::<NoFault>::default()).await.unwrap();
}

/// Removes entries instead of marking them as ended.
#[derive(Debug, Default)]
struct ForgetsEnds;

#[async_trait]
impl Fault for ForgetsEnds {
    async fn end(inner: &dyn UserIndex, user: &str, ids: &[SessionId]) -> Result<()> {
        inner.remove(user, ids).await
    }
}

#[tokio::test(start_paused = true)]
async fn g17_forgetting_ends_is_detected() {
    assert_detected::<ForgetsEnds>(&["an_ended_entry_stays_ended"]).await;
}

/// Ignores that the id before has ended.
#[derive(Debug, Default)]
struct RenewsWhatHasEnded;

#[async_trait]
impl Fault for RenewsWhatHasEnded {
    async fn add(
        inner: &dyn UserIndex,
        user: &str,
        id: &SessionId,
        mut entry: NewEntry<'_>,
    ) -> Result<bool> {
        if !entry.removes_from {
            entry.from = None;
        }
        inner.add(user, id, entry).await
    }
}

#[tokio::test(start_paused = true)]
async fn g17_renewing_what_has_ended_is_detected() {
    assert_detected::<RenewsWhatHasEnded>(&["an_ended_entry_stays_ended"]).await;
}

/// Keeps the entry of the id before a renewal.
#[derive(Debug, Default)]
struct KeepsTheOldEntry;

#[async_trait]
impl Fault for KeepsTheOldEntry {
    async fn add(
        inner: &dyn UserIndex,
        user: &str,
        id: &SessionId,
        mut entry: NewEntry<'_>,
    ) -> Result<bool> {
        entry.removes_from = false;
        inner.add(user, id, entry).await
    }
}

#[tokio::test(start_paused = true)]
async fn keeping_the_old_entry_is_detected() {
    assert_detected::<KeepsTheOldEntry>(&["a_renewed_entry_takes_the_place_of_the_old_one"]).await;
}

/// Counts the entries before it adds one.
#[derive(Debug, Default)]
struct CountsInTwoSteps;

#[async_trait]
impl Fault for CountsInTwoSteps {
    async fn add(
        inner: &dyn UserIndex,
        user: &str,
        id: &SessionId,
        mut entry: NewEntry<'_>,
    ) -> Result<bool> {
        if let Some(max) = entry.max_others.take() {
            let others = inner.list(user).await?;
            let is_other = |entry: &&UserEntry| entry.id != *id;
            let others = others.iter().filter(is_other).count();
            yield_now().await;
            if others > max {
                return Ok(false);
            }
        }
        inner.add(user, id, entry).await
    }
}

#[tokio::test(start_paused = true)]
async fn g17_counting_in_two_steps_is_detected() {
    assert_detected::<CountsInTwoSteps>(&["concurrent_additions_keep_the_limit"]).await;
}

/// Keeps entries for ever.
#[derive(Debug, Default)]
struct NeverExpires;

#[async_trait]
impl Fault for NeverExpires {
    async fn add(
        inner: &dyn UserIndex,
        user: &str,
        id: &SessionId,
        mut entry: NewEntry<'_>,
    ) -> Result<bool> {
        entry.ttl = MAX_TTL;
        inner.add(user, id, entry).await
    }
}

#[tokio::test(start_paused = true)]
async fn g17_keeping_entries_for_ever_is_detected() {
    assert_detected::<NeverExpires>(&["entries_expire_by_themselves"]).await;
}

/// Takes all users for one.
#[derive(Debug, Default)]
struct MixesUsersUp;

impl Fault for MixesUsersUp {
    fn user(_: &str) -> &str {
        "everybody"
    }
}

#[tokio::test(start_paused = true)]
async fn g17_mixing_users_up_is_detected() {
    assert_detected::<MixesUsersUp>(&["an_entry_is_listed_until_it_is_removed"]).await;
}

/// Does not tell a writer whose session it is.
#[derive(Debug, Default)]
struct TellsOfNobody;

impl Fault for TellsOfNobody {
    fn tells_of_users() -> bool {
        false
    }
}

#[tokio::test(start_paused = true)]
async fn g17_not_telling_of_users_is_detected() {
    assert_detected::<TellsOfNobody>(&["writes_tell_of_a_users_session"]).await;
}
