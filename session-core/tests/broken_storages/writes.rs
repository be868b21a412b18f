//! Faults of writing.

use async_trait::async_trait;
use serde_json::value::to_raw_value;
use session_core::{
    Changes, MemoryStorage, Result, SessionId, SetOptions, Storage, WriteMode, Written,
};
use tokio::task::yield_now;

use super::{Fault, assert_detected};

/// Reads, changes and writes back the whole session, as most session libraries do.
#[derive(Debug, Default)]
struct LosesConcurrentWrites;

#[async_trait]
impl Fault for LosesConcurrentWrites {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let Some(mine) = inner.get_session(id).await? else {
            return inner.set_session(id, changes, options).await;
        };
        yield_now().await;
        let Some(whole) = changes.apply(Some(&mine)) else {
            return inner.set_session(id, changes, options).await;
        };
        let now = inner.get_session(id).await?;
        inner.set_session(id, &Changes::between(now.as_ref(), &whole), options).await
    }
}

#[tokio::test(start_paused = true)]
async fn g1_losing_concurrent_writes_is_detected() {
    assert_detected::<LosesConcurrentWrites>(&[
        "concurrent_writers_of_different_keys_lose_nothing",
        "a_write_during_a_rename_is_not_lost",
    ])
    .await;
}

/// Passes on how a session is written, but not what it has to be.
#[derive(Debug, Default)]
struct AsksForNoCondition;

#[async_trait]
impl Fault for AsksForNoCondition {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        mut options: SetOptions<'_>,
    ) -> Result<Written> {
        options.condition = None;
        inner.set_session(id, changes, options).await
    }
}

#[tokio::test(start_paused = true)]
async fn writing_without_asking_for_the_condition_is_detected() {
    assert_detected::<AsksForNoCondition>(&["update_of_a_whole_session_asks_for_the_condition"])
        .await;
}

/// Writes back the whole session even if it was removed in the meantime.
#[derive(Debug, Default)]
struct Resurrects;

#[async_trait]
impl Fault for Resurrects {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let before = inner.get_session(id).await?;
        yield_now().await;
        let written = inner.set_session(id, changes, options).await?;
        match (&written, before.as_ref().and_then(|before| changes.apply(Some(before)))) {
            (Written::Refused, Some(whole)) if options.mode == WriteMode::Update => {
                let whole = Changes::between(None, &whole);
                inner.set_session(id, &whole, SetOptions::create(options.lifetime.ttl)).await
            }
            _ => Ok(written),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g2_resurrecting_a_removed_session_is_detected() {
    assert_detected::<Resurrects>(&[
        "a_removal_during_writes_is_final",
        "a_conditional_removal_loses_no_write",
    ])
    .await;
}

/// Lets an update create the session.
#[derive(Debug, Default)]
struct CreatesByUpdate;

#[async_trait]
impl Fault for CreatesByUpdate {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        match inner.set_session(id, changes, options).await? {
            Written::Refused if options.mode == WriteMode::Update => {
                inner.set_session(id, changes, SetOptions::create(options.lifetime.ttl)).await
            }
            written => Ok(written),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn g3_creating_by_an_update_is_detected() {
    assert_detected::<CreatesByUpdate>(&[
        "update_never_creates",
        "an_expired_session_counts_as_missing",
    ])
    .await;
}

/// Writes the items one by one.
#[derive(Debug, Default)]
struct WritesInSteps;

#[async_trait]
impl Fault for WritesInSteps {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let sets_only = changes.iter().all(|(_, item)| item.is_some());
        if options.mode == WriteMode::Create || !sets_only || changes.is_empty() {
            return inner.set_session(id, changes, options).await;
        }
        let mut written = Written::Saved;
        for (key, item) in changes.iter() {
            let mut step = Changes::new();
            step.set(key, item.expect("these changes only set items").to_owned());
            written = inner.set_session(id, &step, options).await?;
            yield_now().await;
        }
        Ok(written)
    }
}

#[tokio::test(start_paused = true)]
async fn g6_writing_in_steps_is_detected() {
    assert_detected::<WritesInSteps>(&[
        "a_reader_never_sees_half_a_write",
        "a_dropped_write_leaves_a_whole_session",
    ])
    .await;
}

/// Converts every item to a `serde_json::Value` and back.
#[derive(Debug, Default)]
struct ReencodesItems;

#[async_trait]
impl Fault for ReencodesItems {
    async fn set_session(
        inner: &MemoryStorage,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let mut reencoded = Changes::new();
        for (key, item) in changes.iter() {
            match item.map(|item| (item, serde_json::from_str::<serde_json::Value>(item.get()))) {
                Some((_, Ok(value))) => reencoded.set(key, to_raw_value(&value).unwrap()),
                Some((item, Err(_))) => reencoded.set(key, item.to_owned()),
                None => reencoded.remove(key),
            }
        }
        inner.set_session(id, &reencoded, options).await
    }
}

#[tokio::test(start_paused = true)]
async fn reencoding_items_is_detected() {
    assert_detected::<ReencodesItems>(&["items_survive_byte_for_byte"]).await;
}
