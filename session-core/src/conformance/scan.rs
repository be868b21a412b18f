//! Listing the sessions, if the storage can.

use std::collections::HashSet;

use super::subject::{CheckResult, Subject, ensure, set};
use crate::{Page, Scan, SessionId};

/// More pages than any store of tests has.
const MOST_PAGES: usize = 100_000;

pub(super) async fn a_scan_finds_every_session(subject: Subject) -> CheckResult {
    let Some(scanner) = subject.scanner() else { return Ok(()) };
    let mut created = Vec::new();
    for number in 0..100 {
        created.push(subject.create(&format!(r#"{{"a":{number}}}"#)).await?);
    }
    let found = scan(scanner).await?;
    for id in &created {
        let is_found = found.contains(&subject.stored_id(id));
        ensure!(is_found, "a scan did not find a session that existed all the time");
    }
    // Administration reads and ends what it has found.
    let stored = subject.by_stored_id().unwrap_or(&*subject);
    let id = subject.stored_id(&created[0]);
    let session = stored.get_session(&id).await?;
    ensure!(session.is_some(), "the id that a scan found leads to no session");
    ensure!(stored.expires_in(&id).await?.is_some(), "the session that a scan found never ends");
    ensure!(stored.remove_all(&id, None).await?, "the session that a scan found was not ended");
    subject.ensure_absent(&created[0]).await
}

pub(super) async fn a_scan_forgets_what_was_removed(subject: Subject) -> CheckResult {
    let Some(scanner) = subject.scanner() else { return Ok(()) };
    let (kept, removed) =
        (subject.create(r#"{"a":1}"#).await?, subject.create(r#"{"b":2}"#).await?);
    ensure!(subject.remove_all(&removed, None).await?, "remove_all did not find the session");
    let found = scan(scanner).await?;
    ensure!(found.contains(&subject.stored_id(&kept)), "a scan did not find a session");
    ensure!(!found.contains(&subject.stored_id(&removed)), "a scan found a removed session");
    Ok(())
}

pub(super) async fn a_scan_changes_nothing(subject: Subject) -> CheckResult {
    let Some(scanner) = subject.scanner() else { return Ok(()) };
    let id = subject.create_short(r#"{"a":1}"#).await?;
    scan(scanner).await?;
    subject.ensure_ttl(&id, super::subject::MINUTE).await?;
    subject.update(&id, &set(r#"{"b":2}"#)).await?;
    subject.ensure_items(&id, r#"{"a":1,"b":2}"#).await
}

/// Asks for all pages.
async fn scan(scanner: &dyn Scan) -> CheckResult<HashSet<SessionId>> {
    let (mut found, mut page) = (HashSet::new(), None);
    for _ in 0..MOST_PAGES {
        let Page { ids, next } = scanner.scan(page.as_deref()).await?;
        found.extend(ids);
        if next.is_none() {
            return Ok(found);
        }
        page = next;
    }
    ensure!(false, "the pages of a scan have no end");
    Ok(found)
}
