//! Operations whose future is dropped before it completes, as when a request runs out of time.

use std::{future::poll_fn, pin::pin, task::Poll, time::Duration};

use tokio::{task::yield_now, time::timeout};

use super::subject::{CheckResult, HOUR, Subject, ensure, ensure_pair, pair};
use crate::{RenameOptions, Result, SessionId, SetOptions, Written};

const ROUNDS: usize = 30;

pub(super) async fn a_dropped_write_leaves_a_whole_session(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"one":0,"other":0}"#).await?;
    for round in 1..ROUNDS {
        let changes = pair(round);
        let update = SetOptions::update(HOUR);
        start_and_drop(round, subject.set_session(&id, &changes, update)).await?;
        ensure_pair(&subject.session(&id).await?)?;
        subject.ensure_ttl(&id, HOUR).await?;
    }
    ensure_writable(&subject, &id).await
}

pub(super) async fn a_dropped_creation_leaves_a_whole_session_or_none(
    subject: Subject,
) -> CheckResult {
    for round in 0..ROUNDS {
        let (id, changes) = (SessionId::random(), pair(round));
        start_and_drop(round, subject.set_session(&id, &changes, SetOptions::create(HOUR))).await?;
        ensure_whole_or_absent(&subject, &id).await?;
        // The dropped creation may still take effect. Either creation makes the session exist.
        subject.set_session(&id, &pair(0), SetOptions::create(HOUR)).await?;
        ensure_writable(&subject, &id).await?;
    }
    Ok(())
}

pub(super) async fn a_dropped_removal_leaves_a_whole_session_or_none(
    subject: Subject,
) -> CheckResult {
    for round in 0..ROUNDS {
        let id = subject.create(r#"{"one":0,"other":0}"#).await?;
        start_and_drop(round, subject.remove_all(&id, None)).await?;
        ensure_whole_or_absent(&subject, &id).await?;
    }
    Ok(())
}

pub(super) async fn a_dropped_rename_leaves_a_whole_session(subject: Subject) -> CheckResult {
    for round in 0..ROUNDS {
        let from = subject.create(r#"{"one":0,"other":0}"#).await?;
        let to = SessionId::random();
        start_and_drop(round, subject.rename(&from, &to, RenameOptions::default())).await?;
        let old = ensure_whole_or_absent(&subject, &from).await?;
        let new = ensure_whole_or_absent(&subject, &to).await?;
        ensure!(old || new, "a dropped rename lost the session");
    }
    Ok(())
}

/// Starts an operation and drops it: after some polls, or a little later, depending on `round`.
async fn start_and_drop<T>(
    round: usize,
    operation: impl Future<Output = Result<T>>,
) -> CheckResult {
    let mut operation = pin!(operation);
    for _ in 0..=round / 3 {
        match poll_fn(|context| Poll::Ready(operation.as_mut().poll(context))).await {
            Poll::Ready(result) => return Ok(result.map(drop)?),
            Poll::Pending => yield_now().await,
        }
    }
    if round % 3 == 2 {
        let limit = Duration::from_millis(round as u64 / 6);
        if let Ok(result) = timeout(limit, operation).await {
            result?;
        }
    }
    Ok(())
}

/// Checks that a session is whole and has a time to live, or does not exist. Returns whether it
/// exists.
async fn ensure_whole_or_absent(subject: &Subject, id: &SessionId) -> CheckResult<bool> {
    let Some(session) = subject.get_session(id).await? else {
        return Ok(false);
    };
    ensure_pair(&session)?;
    // The dropped operation may still remove the session between the two reads.
    let left = subject.expires_in(id).await?;
    ensure!(left.is_none_or(|left| left <= HOUR), "the time left is {left:?}");
    Ok(true)
}

/// Checks that dropped operations do not block the next write.
async fn ensure_writable(subject: &Subject, id: &SessionId) -> CheckResult {
    let written = subject.update(id, &pair(1_000)).await?;
    ensure!(written == Written::Saved, "a write after dropped ones returned {written:?}");
    ensure_pair(&subject.session(id).await?)
}
