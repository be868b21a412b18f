//! Moving a session to another id.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use tokio::time::sleep;

use super::subject::{
    CheckResult, HOUR, MINUTE, Subject, change, ensure, ensure_pair, join_all, pair, set,
};
use crate::{Changes, RenameOptions, SessionId, SetOptions, TtlRange, Written};

const ROUNDS: usize = 10;

pub(super) async fn rename_moves_items_and_ttl(subject: Subject) -> CheckResult {
    let (from, to) = (SessionId::random(), SessionId::random());
    subject.create_at(&from, r#"{"a":1,"b":[ ]}"#, 10 * MINUTE).await?;
    ensure!(
        subject.rename(&from, &to, RenameOptions::default()).await?,
        "rename did not find the session"
    );
    subject.ensure_absent(&from).await?;
    subject.ensure_items(&to, r#"{"a":1,"b":[ ]}"#).await?;
    subject.ensure_ttl(&to, 10 * MINUTE).await?;
    let written = subject.update(&from, &set(r#"{"c":3}"#)).await?;
    ensure!(written == Written::Refused, "updating the old id returned {written:?}");
    ensure!(
        !subject.update_ttl(&from, TtlRange::at_least(MINUTE)).await?,
        "update_ttl found the old id"
    );
    subject.ensure_absent(&from).await
}

pub(super) async fn rename_is_refused_if_the_new_id_is_taken(subject: Subject) -> CheckResult {
    let from = subject.create(r#"{"a":1}"#).await?;
    for to in [subject.create(r#"{"b":2}"#).await?, subject.create(r#"{"a":1}"#).await?] {
        let before = subject.session(&to).await?;
        ensure!(
            !subject.rename(&from, &to, RenameOptions::default()).await?,
            "rename took the id of another session"
        );
        subject.ensure_items(&from, r#"{"a":1}"#).await?;
        subject.ensure_items(&to, before.stored()).await?;
    }
    ensure!(
        !subject.rename(&from, &from, RenameOptions::default()).await?,
        "rename moved a session onto itself"
    );
    subject.ensure_items(&from, r#"{"a":1}"#).await
}

pub(super) async fn rename_with_a_grace_leaves_a_marker_that_is_no_session(
    subject: Subject,
) -> CheckResult {
    for items in [r#"{"a":1}"#, "{}"] {
        let from = subject.create(r#"{"a":1}"#).await?;
        if items == "{}" {
            subject.update(&from, &change("{}", &["a"])).await?;
        }
        let (seen, to) = (subject.session(&from).await?, SessionId::random());
        let renamed = subject.rename(&from, &to, RenameOptions::grace(MINUTE)).await?;
        ensure!(renamed, "rename did not find the session");
        subject.ensure_items(&to, items).await?;
        subject.ensure_ttl(&to, HOUR).await?;
        subject.ensure_marker(&from).await?;

        let item = set(r#"{"b":2}"#);
        for options in [
            SetOptions::create(HOUR),
            SetOptions::update(HOUR),
            SetOptions::update(HOUR).seen(&seen),
            SetOptions::retire(&seen, HOUR),
        ] {
            let written = subject.set_session(&from, &item, options).await?;
            ensure!(written == Written::Refused, "a write to a marker returned {written:?}");
        }
        let removal = change("{}", &["a"]);
        let written = subject.update(&from, &removal).await?;
        ensure!(written == Written::Refused, "a removal from a marker returned {written:?}");
        let extended = subject.update_ttl(&from, TtlRange::at_least(HOUR)).await?;
        ensure!(!extended, "update_ttl extended a marker");
        for seen in [None, Some(&seen)] {
            ensure!(!subject.remove_all(&from, seen).await?, "remove_all removed a marker");
        }
        for grace in [MINUTE, Duration::ZERO] {
            let moved =
                subject.rename(&from, &SessionId::random(), RenameOptions::grace(grace)).await?;
            ensure!(!moved, "rename moved a marker");
            let taken = subject.rename(&to, &from, RenameOptions::grace(grace)).await?;
            ensure!(!taken, "rename took the place of a marker");
        }
        subject.ensure_marker(&from).await?;
        subject.ensure_items(&to, items).await?;
    }
    Ok(())
}

pub(super) async fn a_session_is_retired_only_as_it_was_seen(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    let before = subject.session(&id).await?;
    subject.update(&id, &set(r#"{"b":2}"#)).await?;
    let nothing = Changes::new();
    let written = subject.set_session(&id, &nothing, SetOptions::retire(&before, MINUTE)).await?;
    ensure!(written == Written::Refused, "a changed session was retired: {written:?}");
    subject.ensure_items(&id, r#"{"a":1,"b":2}"#).await?;
    let now = subject.session(&id).await?;
    let written = subject.set_session(&id, &nothing, SetOptions::retire(&now, MINUTE)).await?;
    ensure!(written == Written::Saved, "an unchanged session was not retired: {written:?}");
    subject.ensure_marker(&id).await
}

pub(super) async fn a_marker_remains_for_its_grace(subject: Subject) -> CheckResult {
    let (from, to) = (subject.create(r#"{"a":1}"#).await?, SessionId::random());
    let grace = RenameOptions::grace(Duration::from_millis(200));
    ensure!(subject.rename(&from, &to, grace).await?, "rename did not find the session");
    subject.ensure_marker(&from).await?;
    sleep(Duration::from_millis(400)).await;
    subject.ensure_absent(&from).await?;
    subject.create_at(&from, r#"{"b":2}"#, HOUR).await?;
    subject.ensure_items(&from, r#"{"b":2}"#).await
}

pub(super) async fn rename_of_a_missing_session_is_refused(subject: Subject) -> CheckResult {
    let (from, free) = (SessionId::random(), SessionId::random());
    let taken = subject.create(r#"{"a":1}"#).await?;
    ensure!(
        !subject.rename(&from, &free, RenameOptions::default()).await?,
        "rename moved a missing session"
    );
    ensure!(
        !subject.rename(&from, &taken, RenameOptions::default()).await?,
        "rename moved a missing session"
    );
    subject.ensure_absent(&free).await?;
    subject.ensure_items(&taken, r#"{"a":1}"#).await
}

pub(super) async fn a_session_is_never_missing_during_a_rename(subject: Subject) -> CheckResult {
    for round in 0..ROUNDS {
        let (from, to) = (SessionId::random(), SessionId::random());
        subject.create_at(&from, r#"{"one":1,"other":1}"#, MINUTE).await?;
        let done = Arc::new(AtomicBool::new(false));
        let readers = (0..4).map(|reader| {
            let (from, to, done) = (from.clone(), to.clone(), done.clone());
            subject.spawn(move |subject| async move {
                while !done.load(Ordering::SeqCst) {
                    // In this order, because the session moves only from `from` to `to`.
                    let session = match subject.get_session(&from).await? {
                        Some(session) => Some(session),
                        None => subject.get_session(&to).await?,
                    };
                    ensure!(session.is_some(), "the session was briefly under neither id");
                    session.as_ref().map_or(Ok(()), ensure_pair)?;
                    subject.delay(1 + reader).await?;
                }
                Ok(())
            })
        });
        let readers = readers.collect();
        subject.delay(round % 4).await?;
        let renamed = subject.rename(&from, &to, RenameOptions::default()).await;
        done.store(true, Ordering::SeqCst);
        ensure!(renamed?, "rename did not find the session");
        join_all(readers).await?;
    }
    Ok(())
}

pub(super) async fn a_write_during_a_rename_is_not_lost(subject: Subject) -> CheckResult {
    for round in 0..ROUNDS {
        let from = subject.create(r#"{"start":0}"#).await?;
        let to = SessionId::random();
        let writers = (0..5).map(|writer| {
            let from = from.clone();
            subject.spawn(move |subject| async move {
                let mut saved = Vec::new();
                for number in 0..10 {
                    let key = format!("{writer}-{number}");
                    let changes = set(&format!(r#"{{"{key}":{number}}}"#));
                    if subject.update(&from, &changes).await? == Written::Refused {
                        break;
                    }
                    saved.push(key);
                    subject.delay(1 + writer % 3).await?;
                }
                Ok(saved)
            })
        });
        let writers = writers.collect();
        // A little later each round, to meet the writers at different points.
        subject.delay(round / 2).await?;
        let renamed = subject.rename(&from, &to, RenameOptions::default()).await?;
        let saved = join_all(writers).await?.concat();
        let session = subject.session(if renamed { &to } else { &from }).await?;
        for key in &saved {
            ensure!(session.item(key).is_some(), "an acknowledged write was lost");
        }
        let size = session.len();
        ensure!(
            size == saved.len() + 1,
            "the session has {size} items instead of {}",
            saved.len() + 1
        );
        subject.ensure_absent(if renamed { &from } else { &to }).await?;
    }
    Ok(())
}

pub(super) async fn a_removal_during_a_rename_wins(subject: Subject) -> CheckResult {
    for round in 0..2 * ROUNDS {
        let from = subject.create(r#"{"one":0,"other":0}"#).await?;
        let to = SessionId::random();
        subject.update(&from, &pair(round)).await?;
        let rename = subject.spawn({
            let (from, to) = (from.clone(), to.clone());
            move |subject| async move {
                subject.delay(round / 5).await?;
                Ok(subject.rename(&from, &to, RenameOptions::default()).await?)
            }
        });
        subject.delay(round % 5).await?;
        let removed = subject.remove_all(&from, None).await?;
        let renamed = rename.await??;
        ensure!(
            removed != renamed,
            "rename returned {renamed}, and a concurrent remove_all {removed}"
        );
        subject.ensure_absent(&from).await?;
        ensure!(
            subject.get_session(&to).await?.is_some() == renamed,
            "rename returned {renamed}, but the new id shows otherwise"
        );
    }
    Ok(())
}

pub(super) async fn concurrent_renames_back_and_forth_keep_one_session(
    subject: Subject,
) -> CheckResult {
    let (one, other) = (SessionId::random(), SessionId::random());
    subject.create_at(&one, r#"{"one":1,"other":1}"#, MINUTE).await?;
    let renames = (0..6).map(|task| {
        let (one, other) = (one.clone(), other.clone());
        subject.spawn(move |subject| async move {
            let (from, to) = if task % 2 == 0 { (one, other) } else { (other, one) };
            let mut renamed = 0;
            for _ in 0..ROUNDS {
                renamed += usize::from(subject.rename(&from, &to, RenameOptions::default()).await?);
                subject.delay(1 + task % 3).await?;
            }
            Ok(renamed)
        })
    });
    let renamed = join_all(renames.collect()).await?.into_iter().sum::<usize>();
    let (at, free) = if renamed % 2 == 0 { (one, other) } else { (other, one) };
    subject.ensure_items(&at, r#"{"one":1,"other":1}"#).await?;
    subject.ensure_absent(&free).await
}
