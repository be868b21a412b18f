//! Removing sessions, one operation at a time.

use super::subject::{CheckResult, HOUR, Subject, ensure, set};

pub(super) async fn remove_all_removes_a_session(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    subject.ensure_items(&id, r#"{"a":1}"#).await?;
    ensure!(subject.remove_all(&id, None).await?, "remove_all did not find the session");
    subject.ensure_absent(&id).await?;
    ensure!(!subject.remove_all(&id, None).await?, "remove_all removed a session twice");
    subject.create_at(&id, r#"{"b":2}"#, HOUR).await?;
    subject.ensure_items(&id, r#"{"b":2}"#).await
}

pub(super) async fn conditional_remove_all_spares_a_changed_session(
    subject: Subject,
) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    let outdated = subject.session(&id).await?;
    subject.update(&id, &set(r#"{"b":2}"#)).await?;
    let removed = subject.remove_all(&id, Some(&outdated)).await?;
    ensure!(!removed, "a session that had changed since was removed");
    subject.ensure_items(&id, r#"{"a":1,"b":2}"#).await?;

    let current = subject.session(&id).await?;
    let removed = subject.remove_all(&id, Some(&current)).await?;
    ensure!(removed, "a session that had not changed was not removed");
    subject.ensure_absent(&id).await?;
    let removed = subject.remove_all(&id, Some(&current)).await?;
    ensure!(!removed, "a missing session was removed");
    subject.ensure_absent(&id).await
}
