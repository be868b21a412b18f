//! How long sessions live.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{
    subject::{HOUR, MINUTE, Outcome, Subject, change, set},
    writes::demand_missing,
};
use crate::{Changes, MAX_TTL, SessionId, SetOptions, Written};

const UPDATE: SetOptions<'_> = SetOptions::update(HOUR);

/// The store's clock may count in other steps than ours.
const EARLY: Duration = Duration::from_millis(10);
const LATE: Duration = Duration::from_secs(1);

pub(super) async fn a_write_sets_the_ttl_absolutely(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"a":1}"#).await?;
    subject.demand_ttl(&id, HOUR).await?;
    for (ttl, changes) in [
        (MINUTE, set(r#"{"b":2}"#)),
        (2 * HOUR, change("{}", &["b"])),
        (MINUTE, Changes::new()),
        (HOUR, change("{}", &["nobody"])),
    ] {
        let seen = subject.session(&id).await?;
        subject.set_session(&id, &changes, SetOptions::update(ttl)).await?;
        subject.demand_ttl(&id, ttl).await?;
        // Once more, as somebody who knows what is stored already.
        let update = SetOptions::update(ttl * 2).seen(&seen);
        subject.set_session(&id, &Changes::new(), update).await?;
        subject.demand_ttl(&id, ttl * 2).await?;
    }
    Ok(())
}

pub(super) async fn update_ttl_extends(subject: Subject) -> Outcome {
    let id = SessionId::random();
    subject.create_for(&id, r#"{"a":1}"#, MINUTE).await?;
    ensure!(subject.update_ttl(&id, HOUR).await?, "update_ttl did not find the session");
    subject.demand_ttl(&id, HOUR).await?;
    subject.demand(&id, r#"{"a":1}"#).await
}

pub(super) async fn update_ttl_never_shortens(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"a":1}"#).await?;
    ensure!(subject.update_ttl(&id, MINUTE).await?, "update_ttl did not find the session");
    subject.demand_ttl(&id, HOUR).await
}

pub(super) async fn update_ttl_never_creates(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"a":1}"#).await?;
    subject.remove_all(&id, None).await?;
    for id in [id, SessionId::random()] {
        ensure!(!subject.update_ttl(&id, HOUR).await?, "update_ttl found a missing session");
        subject.demand_none(&id).await?;
        let left = subject.expires_in(&id).await?;
        ensure!(left.is_none(), "expires_in of a missing session answered {left:?}");
    }
    Ok(())
}

pub(super) async fn a_refused_write_leaves_the_ttl_alone(subject: Subject) -> Outcome {
    let id = SessionId::random();
    subject.create_for(&id, r#"{"a":1}"#, MINUTE).await?;
    let outdated = subject.session(&id).await?;
    subject.set_session(&id, &set(r#"{"b":2}"#), SetOptions::update(MINUTE)).await?;
    subject.set_session(&id, &set(r#"{"c":3}"#), SetOptions::create(HOUR)).await?;
    subject.remove_all(&id, Some(&outdated)).await?;
    let other = subject.create(r#"{"a":1}"#).await?;
    subject.rename(&other, &id).await?;
    subject.demand_ttl(&id, MINUTE).await?;
    subject.demand_ttl(&other, HOUR).await
}

pub(super) async fn no_kind_of_write_leaves_an_entry_without_its_ttl(subject: Subject) -> Outcome {
    let ttl = MINUTE;
    for changes in [
        set(r#"{"a":2}"#),
        set(r#"{"b":2}"#),
        change(r#"{"c":3}"#, &["a"]),
        change("{}", &["b"]),
        change("{}", &["nobody"]),
        Changes::new(),
    ] {
        let id = SessionId::random();
        subject.create_for(&id, r#"{"a":1,"b":1}"#, ttl).await?;
        subject.demand_ttl(&id, ttl).await?;
        subject.set_session(&id, &changes, SetOptions::update(ttl)).await?;
        subject.demand_ttl(&id, ttl).await?;
        subject.update_ttl(&id, ttl / 2).await?;
        subject.demand_ttl(&id, ttl).await?;
        let moved = SessionId::random();
        ensure!(subject.rename(&id, &moved).await?, "rename did not find the session");
        subject.demand_ttl(&moved, ttl).await?;
    }
    Ok(())
}

pub(super) async fn sessions_expire_by_themselves_in_time(subject: Subject) -> Outcome {
    let millis = Duration::from_millis;
    for ttl in [millis(1), millis(100), millis(200), millis(300)] {
        let id = SessionId::random();
        let sent = Instant::now();
        subject.create_for(&id, r#"{"a":1}"#, ttl).await?;
        demand_expiry(&subject, &id, ttl, sent).await?;
    }

    let updated = subject.create(r#"{"a":1}"#).await?;
    let sent = Instant::now();
    subject.set_session(&updated, &set(r#"{"b":2}"#), SetOptions::update(millis(300))).await?;
    demand_expiry(&subject, &updated, millis(300), sent).await?;

    let emptier = subject.create(r#"{"a":1,"b":2}"#).await?;
    let sent = Instant::now();
    subject.set_session(&emptier, &change("{}", &["b"]), SetOptions::update(millis(200))).await?;
    demand_expiry(&subject, &emptier, millis(200), sent).await?;

    let (extended, moved) = (SessionId::random(), SessionId::random());
    subject.create_for(&extended, r#"{"a":1}"#, millis(300)).await?;
    let sent = Instant::now();
    // Not found, and not renamed: this machine was too slow, and the session has expired.
    if subject.update_ttl(&extended, millis(500)).await?
        && subject.rename(&extended, &moved).await?
    {
        demand_expiry(&subject, &moved, millis(500), sent).await?;
        subject.demand_none(&extended).await?;
    }
    Ok(())
}

/// Watches a session until it is gone. Its time began between `sent` and now.
async fn demand_expiry(subject: &Subject, id: &SessionId, ttl: Duration, sent: Instant) -> Outcome {
    let confirmed = Instant::now();
    loop {
        let asked = Instant::now();
        if subject.get_session(id).await?.is_none() {
            let age = sent.elapsed();
            ensure!(age + EARLY >= ttl, "a session that lives for {ttl:?} was gone after {age:?}");
            return Ok(());
        }
        let age = asked - confirmed;
        ensure!(age <= ttl + LATE, "a session that lives for {ttl:?} was there after {age:?}");
        sleep(Duration::from_millis(10)).await;
    }
}

pub(super) async fn an_expired_session_is_as_if_it_had_never_been(subject: Subject) -> Outcome {
    let (ttl, id) = (Duration::from_millis(100), SessionId::random());
    let sent = Instant::now();
    subject.create_for(&id, r#"{"a":1}"#, ttl).await?;
    let seen = subject.get_session(&id).await?;
    demand_expiry(&subject, &id, ttl, sent).await?;

    demand_missing(&subject, &id).await?;
    let update = SetOptions::update(HOUR).seen(seen.as_ref());
    let written = subject.set_session(&id, &set(r#"{"b":2}"#), update).await?;
    ensure!(written == Written::Refused, "updating an expired session answered {written:?}");
    let removed = subject.remove_all(&id, seen.as_ref()).await?;
    ensure!(!removed, "remove_all removed an expired session");

    // Its id is free for another.
    let other = subject.create(r#"{"c":3}"#).await?;
    ensure!(subject.rename(&other, &id).await?, "an expired session kept its id from a rename");
    subject.demand(&id, r#"{"c":3}"#).await?;

    let id = SessionId::random();
    let sent = Instant::now();
    subject.create_for(&id, r#"{"a":1}"#, ttl).await?;
    demand_expiry(&subject, &id, ttl, sent).await?;
    subject.create_for(&id, r#"{"d":4}"#, HOUR).await?;
    subject.demand(&id, r#"{"d":4}"#).await?;
    subject.demand_ttl(&id, HOUR).await
}

pub(super) async fn a_ttl_of_ten_years_works(subject: Subject) -> Outcome {
    let id = SessionId::random();
    subject.create_for(&id, r#"{"a":1}"#, MAX_TTL).await?;
    subject.demand_ttl(&id, MAX_TTL).await?;
    subject.set_session(&id, &set(r#"{"a":2}"#), UPDATE).await?;
    subject.update_ttl(&id, MAX_TTL).await?;
    subject.demand_ttl(&id, MAX_TTL).await?;
    subject.demand(&id, r#"{"a":2}"#).await
}
