//! Operations given up half way, as by a request that runs out of time.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::{task::yield_now, time::timeout};

use super::subject::{HOUR, Outcome, Subject, demand_pair, pair};
use crate::{Result, SessionId, SetOptions, Written};

const ROUNDS: usize = 30;

pub(super) async fn a_dropped_write_leaves_a_whole_session(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"one":0,"other":0}"#).await?;
    for round in 1..ROUNDS {
        let changes = pair(round);
        let update = SetOptions::update(HOUR);
        give_up(round, subject.set_session(&id, &changes, update)).await?;
        demand_pair(&subject.session(&id).await?)?;
        subject.demand_ttl(&id, HOUR).await?;
    }
    demand_writable(&subject, &id).await
}

pub(super) async fn a_dropped_creation_leaves_a_whole_session_or_none(subject: Subject) -> Outcome {
    for round in 0..ROUNDS {
        let (id, changes) = (SessionId::random(), pair(round));
        give_up(round, subject.set_session(&id, &changes, SetOptions::create(HOUR))).await?;
        demand_whole(&subject, &id).await?;
        // It may yet take effect: whoever creates it, it is there then.
        subject.set_session(&id, &pair(0), SetOptions::create(HOUR)).await?;
        demand_writable(&subject, &id).await?;
    }
    Ok(())
}

pub(super) async fn a_dropped_removal_leaves_a_whole_session_or_none(subject: Subject) -> Outcome {
    for round in 0..ROUNDS {
        let id = subject.create(r#"{"one":0,"other":0}"#).await?;
        give_up(round, subject.remove_all(&id, None)).await?;
        demand_whole(&subject, &id).await?;
    }
    Ok(())
}

pub(super) async fn a_dropped_rename_leaves_a_whole_session(subject: Subject) -> Outcome {
    for round in 0..ROUNDS {
        let from = subject.create(r#"{"one":0,"other":0}"#).await?;
        let to = SessionId::random();
        give_up(round, subject.rename(&from, &to)).await?;
        let old = demand_whole(&subject, &from).await?;
        let new = demand_whole(&subject, &to).await?;
        ensure!(old || new, "a rename that was given up lost the session");
    }
    Ok(())
}

/// Starts an operation and drops it: after so many polls, or some time later.
async fn give_up<T>(round: usize, operation: impl Future<Output = Result<T>>) -> Outcome {
    let mut operation = pin!(operation);
    for _ in 0..=round / 3 {
        match poll_fn(|context| Poll::Ready(operation.as_mut().poll(context))).await {
            Poll::Ready(done) => return Ok(done.map(drop)?),
            Poll::Pending => yield_now().await,
        }
    }
    if round % 3 == 2 {
        let patience = Duration::from_millis(round as u64 / 6);
        if let Ok(done) = timeout(patience, operation).await {
            done?;
        }
    }
    Ok(())
}

/// Demands a whole session with its time to live, or none; says whether there is one.
async fn demand_whole(subject: &Subject, id: &SessionId) -> Outcome<bool> {
    let Some(session) = subject.get_session(id).await? else {
        return Ok(false);
    };
    demand_pair(&session)?;
    // What was given up may end the session between the two questions.
    let left = subject.expires_in(id).await?;
    ensure!(left.is_none_or(|left| left <= HOUR), "the time left is {left:?}");
    Ok(true)
}

/// Demands that nothing given up stands in the way of the next write.
async fn demand_writable(subject: &Subject, id: &SessionId) -> Outcome {
    let written = subject.update(id, &pair(1_000)).await?;
    ensure!(written == Written::Saved, "a write after dropped ones answered {written:?}");
    demand_pair(&subject.session(id).await?)
}
