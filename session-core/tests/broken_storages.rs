//! Storages that break the contract, each in one way, and the checks that notice.
//!
//! Each is the memory storage with one fault. They run on one thread with a paused clock, so
//! that they fail in the same way each time.

use std::{collections::HashMap, fmt::Debug, sync::Mutex, time::Duration};

use async_trait::async_trait;
use serde_json::value::to_raw_value;
use session_core::{
    Changes, MAX_TTL, MemoryStorage, Result, SessionId, SetOptions, Snapshot, Storage, WriteMode,
    Written, conformance,
};
use tokio::task::yield_now;

/// What is done wrong; by default nothing.
#[async_trait]
trait Fault: Debug + Default + Send + Sync + 'static {
    async fn set_session(
        sound: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        sound.set_session(id, changes, options).await
    }

    async fn update_ttl(sound: &MemoryStorage, id: &SessionId, ttl: Duration) -> Result<bool> {
        sound.update_ttl(id, ttl).await
    }

    async fn remove_all(
        sound: &MemoryStorage,
        id: &SessionId,
        if_seen: Option<&Snapshot>,
    ) -> Result<bool> {
        sound.remove_all(id, if_seen).await
    }

    async fn rename(sound: &MemoryStorage, from: &SessionId, to: &SessionId) -> Result<bool> {
        sound.rename(from, to).await
    }

    fn cached(&self, sound: &MemoryStorage, id: &SessionId) -> Option<Snapshot> {
        sound.cached(id)
    }
}

#[derive(Debug, Default)]
struct Broken<F> {
    sound: MemoryStorage,
    fault: F,
}

#[async_trait]
impl<F: Fault> Storage for Broken<F> {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.sound.get_session(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        F::set_session(&self.sound, id, changes, options).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: Duration) -> Result<bool> {
        F::update_ttl(&self.sound, id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        F::remove_all(&self.sound, id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.sound.expires_in(id).await
    }

    async fn rename(&self, from: &SessionId, to: &SessionId) -> Result<bool> {
        F::rename(&self.sound, from, to).await
    }

    fn cached(&self, id: &SessionId) -> Option<Snapshot> {
        self.fault.cached(&self.sound, id)
    }
}

/// Runs the suite on a storage with the fault; these checks, if no others, must fail.
async fn fails<F: Fault>(expected: &[&str]) {
    let failures = match conformance::run(async || Broken::<F>::default()).await {
        Ok(()) => panic!("{:?} went unnoticed", F::default()),
        Err(failures) => failures,
    };
    for check in expected {
        assert!(failures.checks().any(|failed| failed == *check), "{check} is content\n{failures}");
    }
}

#[derive(Debug, Default)]
struct Nothing;

impl Fault for Nothing {}

#[tokio::test(start_paused = true)]
async fn without_a_fault_the_suite_is_content() {
    conformance::run(async || Broken::<Nothing>::default()).await.unwrap();
}

/// Reads, changes and writes the whole session, as most session libraries do.
#[derive(Debug, Default)]
struct LosesConcurrentWrites;

#[async_trait]
impl Fault for LosesConcurrentWrites {
    async fn set_session(
        sound: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let Some(mine) = sound.get_session(id).await? else {
            return sound.set_session(id, changes, options).await;
        };
        yield_now().await;
        let Some(whole) = changes.apply(Some(&mine)) else {
            return sound.set_session(id, changes, options).await;
        };
        let now = sound.get_session(id).await?;
        sound.set_session(id, &Changes::between(now.as_ref(), &whole), options).await
    }
}

#[tokio::test(start_paused = true)]
async fn g1_losing_concurrent_writes_is_noticed() {
    fails::<LosesConcurrentWrites>(&[
        "concurrent_writers_of_different_keys_lose_nothing",
        "a_write_during_a_rename_is_not_lost",
    ])
    .await;
}

/// Writes the whole session back although it has been removed meanwhile.
#[derive(Debug, Default)]
struct Resurrects;

#[async_trait]
impl Fault for Resurrects {
    async fn set_session(
        sound: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let before = sound.get_session(id).await?;
        yield_now().await;
        let written = sound.set_session(id, changes, options).await?;
        match (written, before.as_ref().and_then(|before| changes.apply(Some(before)))) {
            (Written::Refused, Some(whole)) if options.mode == WriteMode::Update => {
                let whole = Changes::between(None, &whole);
                sound.set_session(id, &whole, SetOptions::create(options.ttl)).await
            }
            _ => Ok(written),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g2_resurrecting_a_removed_session_is_noticed() {
    fails::<Resurrects>(&[
        "a_removal_during_writes_is_final",
        "a_conditional_removal_takes_no_write_with_it",
    ])
    .await;
}

/// Creates with an update what somebody else has removed before.
#[derive(Debug, Default)]
struct CreatesByUpdate;

#[async_trait]
impl Fault for CreatesByUpdate {
    async fn set_session(
        sound: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        match sound.set_session(id, changes, options).await? {
            Written::Refused if options.mode == WriteMode::Update => {
                sound.set_session(id, changes, SetOptions::create(options.ttl)).await
            }
            written => Ok(written),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g3_creating_by_an_update_is_noticed() {
    fails::<CreatesByUpdate>(&[
        "update_never_creates",
        "an_expired_session_is_as_if_it_had_never_been",
    ])
    .await;
}

/// As SET without KEEPTTL or PX.
#[derive(Debug, Default)]
struct ForgetsTheTtl;

#[async_trait]
impl Fault for ForgetsTheTtl {
    async fn set_session(
        sound: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let mut options = options;
        if options.mode == WriteMode::Update {
            options.ttl = MAX_TTL;
        }
        sound.set_session(id, changes, options).await
    }
}

#[tokio::test(start_paused = true)]
async fn g5_forgetting_the_ttl_on_a_write_is_noticed() {
    fails::<ForgetsTheTtl>(&[
        "no_kind_of_write_leaves_an_entry_without_its_ttl",
        "sessions_expire_by_themselves_in_time",
    ])
    .await;
}

/// As PEXPIRE without GT.
#[derive(Debug, Default)]
struct Shortens;

#[async_trait]
impl Fault for Shortens {
    async fn update_ttl(sound: &MemoryStorage, id: &SessionId, ttl: Duration) -> Result<bool> {
        let update = SetOptions::update(ttl);
        Ok(sound.set_session(id, &Changes::new(), update).await? == Written::Saved)
    }
}

#[tokio::test(start_paused = true)]
async fn g9_shortening_the_ttl_is_noticed() {
    fails::<Shortens>(&["update_ttl_never_shortens"]).await;
}

/// Removes the old entry first.
#[derive(Debug, Default)]
struct RenamesWithAGap;

#[async_trait]
impl Fault for RenamesWithAGap {
    async fn rename(sound: &MemoryStorage, from: &SessionId, to: &SessionId) -> Result<bool> {
        let (Some(items), Some(ttl)) =
            (sound.get_session(from).await?, sound.expires_in(from).await?)
        else {
            return Ok(false);
        };
        if sound.get_session(to).await?.is_some() || !sound.remove_all(from, None).await? {
            return Ok(false);
        }
        yield_now().await;
        let copy = Changes::between(None, &items);
        Ok(sound.set_session(to, &copy, SetOptions::create(ttl)).await? == Written::Saved)
    }
}

#[tokio::test(start_paused = true)]
async fn g4_renaming_with_a_gap_is_noticed() {
    fails::<RenamesWithAGap>(&[
        "one_of_both_ids_is_there_at_any_moment_of_a_rename",
        "a_dropped_rename_leaves_a_whole_session",
    ])
    .await;
}

/// Copies and then removes, whatever has happened in between.
#[derive(Debug, Default)]
struct RenamesBlindly;

#[async_trait]
impl Fault for RenamesBlindly {
    async fn rename(sound: &MemoryStorage, from: &SessionId, to: &SessionId) -> Result<bool> {
        let (Some(items), Some(ttl)) =
            (sound.get_session(from).await?, sound.expires_in(from).await?)
        else {
            return Ok(false);
        };
        let copy = Changes::between(None, &items);
        if sound.set_session(to, &copy, SetOptions::create(ttl)).await? == Written::Refused {
            return Ok(false);
        }
        yield_now().await;
        sound.remove_all(from, None).await?;
        Ok(true)
    }
}

#[tokio::test(start_paused = true)]
async fn g4_a_rename_that_ignores_what_happens_meanwhile_is_noticed() {
    fails::<RenamesBlindly>(&[
        "a_write_during_a_rename_is_not_lost",
        "a_removal_during_a_rename_wins",
    ])
    .await;
}

/// Writes one item after the other.
#[derive(Debug, Default)]
struct WritesInSteps;

#[async_trait]
impl Fault for WritesInSteps {
    async fn set_session(
        sound: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let sets_only = changes.iter().all(|(_, item)| item.is_some());
        if options.mode == WriteMode::Create || !sets_only || changes.is_empty() {
            return sound.set_session(id, changes, options).await;
        }
        let mut written = Written::Saved;
        for (key, item) in changes.iter() {
            let mut step = Changes::new();
            step.set(key, item.expect("it only sets").to_owned());
            written = sound.set_session(id, &step, options).await?;
            yield_now().await;
        }
        Ok(written)
    }
}

#[tokio::test(start_paused = true)]
async fn g6_writing_in_steps_is_noticed() {
    fails::<WritesInSteps>(&[
        "a_reader_sees_whole_writes_only",
        "a_dropped_write_leaves_a_whole_session",
    ])
    .await;
}

/// Removes whatever is there.
#[derive(Debug, Default)]
struct IgnoresWhatWasSeen;

#[async_trait]
impl Fault for IgnoresWhatWasSeen {
    async fn remove_all(
        sound: &MemoryStorage,
        id: &SessionId,
        _: Option<&Snapshot>,
    ) -> Result<bool> {
        sound.remove_all(id, None).await
    }
}

#[tokio::test(start_paused = true)]
async fn g1_removing_what_has_changed_is_noticed() {
    fails::<IgnoresWhatWasSeen>(&[
        "remove_all_of_what_was_seen_spares_what_has_changed",
        "a_conditional_removal_takes_no_write_with_it",
    ])
    .await;
}

/// Takes every item through a `serde_json::Value`.
#[derive(Debug, Default)]
struct Interprets;

#[async_trait]
impl Fault for Interprets {
    async fn set_session(
        sound: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let mut spoiled = Changes::new();
        for (key, item) in changes.iter() {
            match item.map(|item| (item, serde_json::from_str::<serde_json::Value>(item.get()))) {
                Some((_, Ok(value))) => spoiled.set(key, to_raw_value(&value).unwrap()),
                Some((item, Err(_))) => spoiled.set(key, item.to_owned()),
                None => spoiled.remove(key),
            }
        }
        sound.set_session(id, &spoiled, options).await
    }
}

#[tokio::test(start_paused = true)]
async fn interpreting_items_is_noticed() {
    fails::<Interprets>(&["items_survive_byte_for_byte"]).await;
}

/// Keeps what was once read at hand, whatever becomes of it.
#[derive(Debug, Default)]
struct KeepsOldSessionsAtHand(Mutex<HashMap<SessionId, Snapshot>>);

impl Fault for KeepsOldSessionsAtHand {
    fn cached(&self, sound: &MemoryStorage, id: &SessionId) -> Option<Snapshot> {
        let mut kept = self.0.lock().unwrap();
        if let Some(session) = sound.cached(id) {
            kept.entry(id.clone()).or_insert(session);
        }
        kept.get(id).cloned()
    }
}

#[tokio::test(start_paused = true)]
async fn keeping_old_sessions_cached_is_noticed() {
    fails::<KeepsOldSessionsAtHand>(&[
        "update_sets_and_removes_and_keeps_the_rest",
        "remove_all_ends_a_session",
    ])
    .await;
}
