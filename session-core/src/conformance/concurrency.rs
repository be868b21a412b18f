//! Concurrent writers and readers of one session.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::subject::{
    CheckResult, HOUR, Subject, change, ensure, ensure_pair, join_all, pair, set,
};
use crate::{SessionId, SetOptions, TtlRange, Written};

const ROUNDS: usize = 10;

pub(super) async fn concurrent_writers_of_different_keys_lose_nothing(
    subject: Subject,
) -> CheckResult {
    const WRITERS: usize = 50;
    let id = subject.create(r#"{"start":0}"#).await?;
    let seen = subject.session(&id).await?;
    // Each writer sets and removes keys. Half of them pass on a snapshot, as a `Session` does.
    let writers = (0..WRITERS).map(|writer| {
        let (id, seen) = (id.clone(), (writer % 2 == 0).then(|| seen.clone()));
        subject.spawn(move |subject| async move {
            let update = SetOptions::update(HOUR).seen(seen.as_ref());
            let first = set(&format!(r#"{{"key-{writer}":{writer},"gone-{writer}":0}}"#));
            let then = change("{}", &[&format!("gone-{writer}")]);
            for changes in [first, then] {
                let written = subject.set_session(&id, &changes, update).await?;
                ensure!(written == Written::Saved, "a concurrent update returned {written:?}");
            }
            Ok(())
        })
    });
    join_all(writers.collect()).await?;
    let session = subject.session(&id).await?;
    let kept = (0..WRITERS).filter(|writer| session.item(&format!("key-{writer}")).is_some());
    let kept = kept.count();
    ensure!(kept == WRITERS, "{kept} of {WRITERS} concurrent writes were kept");
    let size = session.len();
    ensure!(size == WRITERS + 1, "the session has {size} items instead of {}", WRITERS + 1);
    Ok(())
}

pub(super) async fn exactly_one_concurrent_creator_wins(subject: Subject) -> CheckResult {
    for _ in 0..ROUNDS {
        let id = SessionId::random();
        let creators = (0..10).map(|creator| {
            let id = id.clone();
            subject.spawn(move |subject| async move {
                let create = SetOptions::create(HOUR);
                let written = subject.set_session(&id, &pair(creator), create).await?;
                Ok((written == Written::Saved).then_some(creator))
            })
        });
        let winners: Vec<_> = join_all(creators.collect()).await?.into_iter().flatten().collect();
        ensure!(winners.len() == 1, "{} of 10 creations of one id returned Saved", winners.len());
        let winner = winners[0];
        subject.ensure_items(&id, &format!(r#"{{"one":{winner},"other":{winner}}}"#)).await?;
    }
    Ok(())
}

pub(super) async fn a_removal_during_writes_is_final(subject: Subject) -> CheckResult {
    for round in 0..ROUNDS {
        let id = subject.create(r#"{"start":0}"#).await?;
        let seen = subject.session(&id).await?;
        let removed = Arc::new(AtomicBool::new(false));
        let writers = (0..10).map(|writer| {
            let (id, seen, removed) = (id.clone(), seen.clone(), removed.clone());
            subject.spawn(move |subject| async move {
                let seen = (writer % 2 == 0).then_some(&seen);
                for number in 0..20 {
                    let was_removed = removed.load(Ordering::SeqCst);
                    let accepted = if writer == 9 {
                        subject.update_ttl(&id, TtlRange::at_least(2 * HOUR)).await?
                    } else {
                        let changes = set(&format!(r#"{{"key-{writer}":{number}}}"#));
                        let update = SetOptions::update(HOUR).seen(seen);
                        subject.set_session(&id, &changes, update).await? != Written::Refused
                    };
                    ensure!(!was_removed || !accepted, "a write after the removal was accepted");
                    if !accepted {
                        break;
                    }
                    subject.delay(1 + writer % 3).await?;
                }
                Ok(())
            })
        });
        let writers = writers.collect();
        subject.delay(round).await?;
        let found = subject.remove_all(&id, None).await?;
        removed.store(true, Ordering::SeqCst);
        ensure!(found, "remove_all did not find the session");
        join_all(writers).await?;
        subject.ensure_absent(&id).await?;
    }
    Ok(())
}

pub(super) async fn a_conditional_removal_loses_no_write(subject: Subject) -> CheckResult {
    for round in 0..2 * ROUNDS {
        let id = subject.create(r#"{"start":0}"#).await?;
        let seen = subject.session(&id).await?;
        let removal = subject.spawn({
            let id = id.clone();
            move |subject| async move {
                subject.delay(round / 4).await?;
                Ok(subject.remove_all(&id, Some(&seen)).await?)
            }
        });
        subject.delay(round % 4).await?;
        let written = subject.update(&id, &set(r#"{"late":1}"#)).await?;
        let removed = removal.await??;
        let saved = written == Written::Saved;
        ensure!(
            removed != saved,
            "remove_all returned {removed}, and a concurrent write {written:?}"
        );
        let exists = subject.get_session(&id).await?.is_some();
        ensure!(
            exists == saved,
            "a write returned {written:?}, but get_session found a session: {exists}"
        );
    }
    Ok(())
}

pub(super) async fn concurrent_emptying_and_setting_are_serialized(
    subject: Subject,
) -> CheckResult {
    for round in 0..2 * ROUNDS {
        let id = subject.create(r#"{"a":1}"#).await?;
        let emptying = subject.spawn({
            let id = id.clone();
            move |subject| async move {
                subject.delay(round / 4).await?;
                subject.update(&id, &change("{}", &["a"])).await
            }
        });
        subject.delay(round % 4).await?;
        let setting = subject.update(&id, &set(r#"{"b":2}"#)).await?;
        match (emptying.await??, setting) {
            (Written::Saved, Written::Saved) => subject.ensure_items(&id, r#"{"b":2}"#).await?,
            (emptying, setting) => {
                ensure!(
                    false,
                    "removing the last item returned {emptying:?}, setting another {setting:?}"
                );
            }
        }
    }
    Ok(())
}

pub(super) async fn extending_the_ttl_loses_no_write(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"start":0}"#).await?;
    let writers = (0..20).map(|writer| {
        let id = id.clone();
        subject.spawn(move |subject| async move {
            // Longer for each writer, so that most of the calls extend.
            let found = subject.update_ttl(&id, TtlRange::at_least(HOUR * (writer + 2))).await?;
            ensure!(found, "update_ttl did not find the session");
            subject.update(&id, &set(&format!(r#"{{"key-{writer}":1}}"#))).await
        })
    });
    join_all(writers.collect()).await?;
    let size = subject.get_size(&id).await?;
    ensure!(size == 21, "{size} of 21 items were kept");
    Ok(())
}

pub(super) async fn a_reader_never_sees_half_a_write(subject: Subject) -> CheckResult {
    let id = SessionId::random();
    let done = Arc::new(AtomicBool::new(false));
    let readers = (0..4).map(|reader| {
        let (id, done) = (id.clone(), done.clone());
        subject.spawn(move |subject| async move {
            while !done.load(Ordering::SeqCst) {
                if let Some(session) = subject.get_session(&id).await? {
                    ensure_pair(&session)?;
                }
                subject.delay(1 + reader).await?;
            }
            Ok(())
        })
    });
    let readers = readers.collect();
    let written = write_pairs(&subject, &id).await;
    done.store(true, Ordering::SeqCst);
    written?;
    join_all(readers).await.map(drop)
}

/// Creates, changes, empties and removes a session repeatedly.
async fn write_pairs(subject: &Subject, id: &SessionId) -> CheckResult {
    for number in 0..50 {
        subject.set_session(id, &pair(number), SetOptions::create(HOUR)).await?;
        subject.delay(number % 3).await?;
        subject.update(id, &pair(number + 1_000)).await?;
        subject.delay(number % 3).await?;
        match number % 4 {
            0 => drop(subject.update(id, &change("{}", &["one", "other"])).await?),
            1 => drop(subject.remove_all(id, None).await?),
            2 => drop(subject.update_ttl(id, TtlRange::at_least(2 * HOUR)).await?),
            _ => {}
        }
        subject.delay(number % 3).await?;
    }
    Ok(())
}
