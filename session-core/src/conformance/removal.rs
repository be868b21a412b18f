//! Ending sessions, one operation after the other.

use super::subject::{HOUR, Outcome, Subject, set};

pub(super) async fn remove_all_ends_a_session(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"a":1}"#).await?;
    subject.demand(&id, r#"{"a":1}"#).await?;
    ensure!(subject.remove_all(&id, None).await?, "remove_all did not find the session");
    subject.demand_none(&id).await?;
    ensure!(!subject.remove_all(&id, None).await?, "remove_all removed a session twice");
    subject.create_for(&id, r#"{"b":2}"#, HOUR).await?;
    subject.demand(&id, r#"{"b":2}"#).await
}

pub(super) async fn remove_all_of_what_was_seen_spares_what_has_changed(
    subject: Subject,
) -> Outcome {
    let id = subject.create(r#"{"a":1}"#).await?;
    let outdated = subject.session(&id).await?;
    subject.update(&id, &set(r#"{"b":2}"#)).await?;
    let removed = subject.remove_all(&id, Some(&outdated)).await?;
    ensure!(!removed, "a session that had changed since was removed");
    subject.demand(&id, r#"{"a":1,"b":2}"#).await?;

    let current = subject.session(&id).await?;
    let removed = subject.remove_all(&id, Some(&current)).await?;
    ensure!(removed, "a session that had not changed was not removed");
    subject.demand_none(&id).await?;
    let removed = subject.remove_all(&id, Some(&current)).await?;
    ensure!(!removed, "a missing session was removed");
    subject.demand_none(&id).await
}
