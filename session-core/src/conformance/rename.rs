//! Moving a session to another id.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::subject::{MINUTE, Outcome, Subject, all, demand_pair, pair, set};
use crate::{SessionId, Written};

const ROUNDS: usize = 10;

pub(super) async fn rename_moves_items_and_ttl(subject: Subject) -> Outcome {
    let (from, to) = (SessionId::random(), SessionId::random());
    subject.create_for(&from, r#"{"a":1,"b":[ ]}"#, 10 * MINUTE).await?;
    ensure!(subject.rename(&from, &to).await?, "rename did not find the session");
    subject.demand_none(&from).await?;
    subject.demand(&to, r#"{"a":1,"b":[ ]}"#).await?;
    subject.demand_ttl(&to, 10 * MINUTE).await?;
    let written = subject.update(&from, &set(r#"{"c":3}"#)).await?;
    ensure!(written == Written::Refused, "updating under the old id answered {written:?}");
    ensure!(!subject.update_ttl(&from, MINUTE).await?, "update_ttl found the old id");
    subject.demand_none(&from).await
}

pub(super) async fn rename_is_refused_if_the_new_id_is_taken(subject: Subject) -> Outcome {
    let from = subject.create(r#"{"a":1}"#).await?;
    for to in [subject.create(r#"{"b":2}"#).await?, subject.create(r#"{"a":1}"#).await?] {
        let before = subject.session(&to).await?;
        ensure!(!subject.rename(&from, &to).await?, "rename took the id of another session");
        subject.demand(&from, r#"{"a":1}"#).await?;
        subject.demand(&to, before.stored()).await?;
    }
    ensure!(!subject.rename(&from, &from).await?, "rename moved a session onto itself");
    subject.demand(&from, r#"{"a":1}"#).await
}

pub(super) async fn rename_of_a_missing_session_is_refused(subject: Subject) -> Outcome {
    let (from, free) = (SessionId::random(), SessionId::random());
    let taken = subject.create(r#"{"a":1}"#).await?;
    ensure!(!subject.rename(&from, &free).await?, "rename moved a missing session");
    ensure!(!subject.rename(&from, &taken).await?, "rename moved a missing session");
    subject.demand_none(&free).await?;
    subject.demand(&taken, r#"{"a":1}"#).await
}

pub(super) async fn one_of_both_ids_is_there_at_any_moment_of_a_rename(
    subject: Subject,
) -> Outcome {
    for round in 0..ROUNDS {
        let (from, to) = (SessionId::random(), SessionId::random());
        subject.create_for(&from, r#"{"one":1,"other":1}"#, MINUTE).await?;
        let done = Arc::new(AtomicBool::new(false));
        let readers = (0..4).map(|reader| {
            let (from, to, done) = (from.clone(), to.clone(), done.clone());
            subject.spawn(move |subject| async move {
                while !done.load(Ordering::SeqCst) {
                    // In this order: the session moves only from the one to the other.
                    let session = match subject.get_session(&from).await? {
                        Some(session) => Some(session),
                        None => subject.get_session(&to).await?,
                    };
                    ensure!(session.is_some(), "the session was under neither id for a moment");
                    session.as_ref().map_or(Ok(()), demand_pair)?;
                    subject.turns(1 + reader).await?;
                }
                Ok(())
            })
        });
        let readers = readers.collect();
        subject.turns(round % 4).await?;
        let renamed = subject.rename(&from, &to).await;
        done.store(true, Ordering::SeqCst);
        ensure!(renamed?, "rename did not find the session");
        all(readers).await?;
    }
    Ok(())
}

pub(super) async fn a_write_during_a_rename_is_not_lost(subject: Subject) -> Outcome {
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
                    subject.turns(1 + writer % 3).await?;
                }
                Ok(saved)
            })
        });
        let writers = writers.collect();
        // A bit later in each round, to meet the writers at different moments.
        subject.turns(round / 2).await?;
        let renamed = subject.rename(&from, &to).await?;
        let saved = all(writers).await?.concat();
        let session = subject.session(if renamed { &to } else { &from }).await?;
        for key in &saved {
            ensure!(session.item(key).is_some(), "a write that was confirmed got lost");
        }
        let size = session.len();
        ensure!(size == saved.len() + 1, "the session has {size} items of {}", saved.len() + 1);
        subject.demand_none(if renamed { &from } else { &to }).await?;
    }
    Ok(())
}

pub(super) async fn a_removal_during_a_rename_wins(subject: Subject) -> Outcome {
    for round in 0..2 * ROUNDS {
        let from = subject.create(r#"{"one":0,"other":0}"#).await?;
        let to = SessionId::random();
        subject.update(&from, &pair(round)).await?;
        let rename = subject.spawn({
            let (from, to) = (from.clone(), to.clone());
            move |subject| async move {
                subject.turns(round / 5).await?;
                Ok(subject.rename(&from, &to).await?)
            }
        });
        subject.turns(round % 5).await?;
        let removed = subject.remove_all(&from, None).await?;
        let renamed = rename.await??;
        ensure!(removed != renamed, "renamed is {renamed}, and removed meanwhile is {removed}");
        subject.demand_none(&from).await?;
        ensure!(
            subject.get_session(&to).await?.is_some() == renamed,
            "rename answered {renamed}, and the new id says otherwise"
        );
    }
    Ok(())
}

pub(super) async fn renames_to_and_fro_at_once_keep_one_session(subject: Subject) -> Outcome {
    let (one, other) = (SessionId::random(), SessionId::random());
    subject.create_for(&one, r#"{"one":1,"other":1}"#, MINUTE).await?;
    let renames = (0..6).map(|task| {
        let (one, other) = (one.clone(), other.clone());
        subject.spawn(move |subject| async move {
            let (from, to) = if task % 2 == 0 { (one, other) } else { (other, one) };
            let mut renamed = 0;
            for _ in 0..ROUNDS {
                renamed += usize::from(subject.rename(&from, &to).await?);
                subject.turns(1 + task % 3).await?;
            }
            Ok(renamed)
        })
    });
    let renamed = all(renames.collect()).await?.into_iter().sum::<usize>();
    let (at, free) = if renamed % 2 == 0 { (one, other) } else { (other, one) };
    subject.demand(&at, r#"{"one":1,"other":1}"#).await?;
    subject.demand_none(&free).await
}
