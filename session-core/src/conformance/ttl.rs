//! Times to live and expiry.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    subject::{CheckResult, HOUR, MINUTE, Subject, change, ensure, set},
    writes::ensure_absent_for_every_method,
};
use crate::{Changes, MAX_TTL, RenameOptions, SessionId, SetOptions, TtlRange, Written};

const UPDATE: SetOptions<'_> = SetOptions::update(HOUR);

/// Tolerances for expiry. The store's clock may have another resolution than this process's.
const EARLY: Duration = Duration::from_millis(10);
const LATE: Duration = Duration::from_secs(1);

pub(super) async fn a_write_restarts_the_ttl(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    subject.ensure_ttl(&id, HOUR).await?;
    for (ttl, changes) in [
        (MINUTE, set(r#"{"b":2}"#)),
        (2 * HOUR, change("{}", &["b"])),
        (MINUTE, Changes::new()),
        (HOUR, change("{}", &["absent"])),
    ] {
        let seen = subject.session(&id).await?;
        subject.set_session(&id, &changes, SetOptions::update(ttl)).await?;
        subject.ensure_ttl(&id, ttl).await?;
        // Once more, with a snapshot that may be outdated.
        let update = SetOptions::update(ttl * 2).seen(&seen);
        subject.set_session(&id, &Changes::new(), update).await?;
        subject.ensure_ttl(&id, ttl * 2).await?;
    }
    Ok(())
}

pub(super) async fn update_ttl_extends(subject: Subject) -> CheckResult {
    let id = SessionId::random();
    subject.create_at(&id, r#"{"a":1}"#, MINUTE).await?;
    ensure!(
        subject.update_ttl(&id, TtlRange::at_least(HOUR)).await?,
        "update_ttl did not find the session"
    );
    subject.ensure_ttl(&id, HOUR).await?;
    subject.ensure_items(&id, r#"{"a":1}"#).await
}

pub(super) async fn update_ttl_shortens_to_its_upper_bound(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    let range = TtlRange::at_least(MINUTE).at_most(2 * MINUTE);
    for _ in 0..2 {
        ensure!(subject.update_ttl(&id, range).await?, "update_ttl did not find the session");
        subject.ensure_ttl(&id, 2 * MINUTE).await?;
    }
    subject.ensure_items(&id, r#"{"a":1}"#).await
}

pub(super) async fn update_ttl_leaves_a_ttl_within_its_bounds(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    ensure!(
        subject.update_ttl(&id, TtlRange::at_least(MINUTE).at_most(2 * HOUR)).await?,
        "update_ttl did not find the session"
    );
    subject.ensure_ttl(&id, HOUR).await
}

pub(super) async fn update_ttl_never_creates(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    subject.remove_all(&id, None).await?;
    for id in [id, SessionId::random()] {
        ensure!(
            !subject.update_ttl(&id, TtlRange::at_least(HOUR)).await?,
            "update_ttl found a missing session"
        );
        subject.ensure_absent(&id).await?;
        let left = subject.expires_in(&id).await?;
        ensure!(left.is_none(), "expires_in of a missing session returned {left:?}");
    }
    Ok(())
}

pub(super) async fn a_refused_write_does_not_change_the_ttl(subject: Subject) -> CheckResult {
    let id = SessionId::random();
    subject.create_at(&id, r#"{"a":1}"#, MINUTE).await?;
    let outdated = subject.session(&id).await?;
    subject.set_session(&id, &set(r#"{"b":2}"#), SetOptions::update(MINUTE)).await?;
    subject.set_session(&id, &set(r#"{"c":3}"#), SetOptions::create(HOUR)).await?;
    subject.remove_all(&id, Some(&outdated)).await?;
    let other = subject.create(r#"{"a":1}"#).await?;
    subject.rename(&other, &id, RenameOptions::default()).await?;
    subject.ensure_ttl(&id, MINUTE).await?;
    subject.ensure_ttl(&other, HOUR).await
}

pub(super) async fn every_kind_of_write_leaves_a_ttl(subject: Subject) -> CheckResult {
    let ttl = MINUTE;
    for changes in [
        set(r#"{"a":2}"#),
        set(r#"{"b":2}"#),
        change(r#"{"c":3}"#, &["a"]),
        change("{}", &["b"]),
        change("{}", &["absent"]),
        Changes::new(),
    ] {
        let id = SessionId::random();
        subject.create_at(&id, r#"{"a":1,"b":1}"#, ttl).await?;
        subject.ensure_ttl(&id, ttl).await?;
        subject.set_session(&id, &changes, SetOptions::update(ttl)).await?;
        subject.ensure_ttl(&id, ttl).await?;
        subject.update_ttl(&id, TtlRange::at_least(ttl / 2)).await?;
        subject.ensure_ttl(&id, ttl).await?;
        let moved = SessionId::random();
        ensure!(
            subject.rename(&id, &moved, RenameOptions::default()).await?,
            "rename did not find the session"
        );
        subject.ensure_ttl(&moved, ttl).await?;
    }
    Ok(())
}

pub(super) async fn sessions_expire_on_time(subject: Subject) -> CheckResult {
    let millis = Duration::from_millis;
    for ttl in [millis(1), millis(100), millis(200), millis(300)] {
        let id = SessionId::random();
        let sent = Instant::now();
        subject.create_at(&id, r#"{"a":1}"#, ttl).await?;
        ensure_expiry(&subject, &id, ttl, sent).await?;
    }

    let updated = subject.create(r#"{"a":1}"#).await?;
    let sent = Instant::now();
    subject.set_session(&updated, &set(r#"{"b":2}"#), SetOptions::update(millis(300))).await?;
    ensure_expiry(&subject, &updated, millis(300), sent).await?;

    let shrunk = subject.create(r#"{"a":1,"b":2}"#).await?;
    let sent = Instant::now();
    subject.set_session(&shrunk, &change("{}", &["b"]), SetOptions::update(millis(200))).await?;
    ensure_expiry(&subject, &shrunk, millis(200), sent).await?;

    let (extended, moved) = (SessionId::random(), SessionId::random());
    subject.create_at(&extended, r#"{"a":1}"#, millis(300)).await?;
    let sent = Instant::now();
    // If one of these fails, this machine was too slow and the session has expired.
    if subject.update_ttl(&extended, TtlRange::at_least(millis(500))).await?
        && subject.rename(&extended, &moved, RenameOptions::default()).await?
    {
        ensure_expiry(&subject, &moved, millis(500), sent).await?;
        subject.ensure_absent(&extended).await?;
    }
    Ok(())
}

/// Checks that a session written between `sent` and now expires on time. Polls it until then.
async fn ensure_expiry(
    subject: &Subject,
    id: &SessionId,
    ttl: Duration,
    sent: Instant,
) -> CheckResult {
    let written = Instant::now();
    loop {
        let polled = Instant::now();
        if subject.get_session(id).await?.is_none() {
            let age = sent.elapsed();
            ensure!(age + EARLY >= ttl, "a session with a ttl of {ttl:?} expired after {age:?}");
            return Ok(());
        }
        let age = polled - written;
        ensure!(age <= ttl + LATE, "a session with a ttl of {ttl:?} still existed after {age:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub(super) async fn an_expired_session_counts_as_missing(subject: Subject) -> CheckResult {
    let (ttl, id) = (Duration::from_millis(100), SessionId::random());
    let sent = Instant::now();
    subject.create_at(&id, r#"{"a":1}"#, ttl).await?;
    let seen = subject.get_session(&id).await?;
    ensure_expiry(&subject, &id, ttl, sent).await?;

    ensure_absent_for_every_method(&subject, &id).await?;
    let update = SetOptions::update(HOUR).seen(seen.as_ref());
    let written = subject.set_session(&id, &set(r#"{"b":2}"#), update).await?;
    ensure!(written == Written::Refused, "updating an expired session returned {written:?}");
    let removed = subject.remove_all(&id, seen.as_ref()).await?;
    ensure!(!removed, "remove_all removed an expired session");

    // Its id is free again.
    let other = subject.create(r#"{"c":3}"#).await?;
    ensure!(
        subject.rename(&other, &id, RenameOptions::default()).await?,
        "an expired session blocked a rename to its id"
    );
    subject.ensure_items(&id, r#"{"c":3}"#).await?;

    let id = SessionId::random();
    let sent = Instant::now();
    subject.create_at(&id, r#"{"a":1}"#, ttl).await?;
    ensure_expiry(&subject, &id, ttl, sent).await?;
    subject.create_at(&id, r#"{"d":4}"#, HOUR).await?;
    subject.ensure_items(&id, r#"{"d":4}"#).await?;
    subject.ensure_ttl(&id, HOUR).await
}

pub(super) async fn a_ttl_of_ten_years_works(subject: Subject) -> CheckResult {
    let id = SessionId::random();
    subject.create_at(&id, r#"{"a":1}"#, MAX_TTL).await?;
    subject.ensure_ttl(&id, MAX_TTL).await?;
    subject.set_session(&id, &set(r#"{"a":2}"#), UPDATE).await?;
    subject.update_ttl(&id, TtlRange::at_least(MAX_TTL)).await?;
    subject.ensure_ttl(&id, MAX_TTL).await?;
    subject.ensure_items(&id, r#"{"a":2}"#).await
}
