//! Metadata, and the lifetimes that it tells.

use std::time::Duration;

use serde_json::value::RawValue;

use super::subject::{CheckResult, HOUR, MINUTE, Subject, change, ensure, join_all, set};
use crate::{
    Changes, ItemSwap, Lifetime, RenameOptions, SessionId, SetOptions, SwapOptions, TtlRange,
    Written,
    lifetime::now_millis,
    snapshot::{Issue, MetaChange},
};

const DAY: Duration = Duration::from_secs(24 * 3600);

fn own_ttl(ttl: impl Into<Option<Duration>>) -> MetaChange {
    MetaChange { ttl: Some(ttl.into()), ..MetaChange::default() }
}

/// A session that was created this long ago.
fn created(ago: Duration) -> MetaChange {
    let created = Some(now_millis() - ago.as_millis() as u64);
    MetaChange { created, ..MetaChange::default() }
}

async fn create(subject: &Subject, meta: MetaChange) -> CheckResult<SessionId> {
    let id = SessionId::random();
    let mut changes = set(r#"{"a":1}"#);
    changes.extend(Changes::of_meta(meta));
    let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
    ensure!(written == Written::Saved, "creating a session with metadata returned {written:?}");
    Ok(id)
}

async fn swap(subject: &Subject, id: &SessionId, lifetime: Lifetime) -> CheckResult<ItemSwap> {
    let json = |text: &str| RawValue::from_string(text.to_owned()).expect("it is JSON");
    let now = subject.get(id, "a").await?;
    let options = SwapOptions::ttl(lifetime.ttl).lifetime(lifetime);
    Ok(subject.swap_item(id, "a", now.as_deref(), Some(&json("7")), options).await?)
}

/// Every way to restart or extend the time to live of a session with the item `a`.
async fn use_in_every_way(
    subject: &Subject,
    id: &SessionId,
    lifetime: Lifetime,
    expected: Duration,
) -> CheckResult {
    let update = SetOptions::update(lifetime.ttl).lifetime(lifetime);
    for changes in [set(r#"{"a":2}"#), set(r#"{"b":2}"#), change("{}", &["b"]), Changes::new()] {
        let written = subject.set_session(id, &changes, update).await?;
        ensure!(written == Written::Saved, "an update returned {written:?}");
        subject.ensure_ttl(id, expected).await?;
    }
    let seen = subject.session(id).await?;
    let update = SetOptions::update_seen(&seen, lifetime.ttl).lifetime(lifetime);
    let written = subject.set_session(id, &set(r#"{"c":3}"#), update).await?;
    ensure!(written == Written::Saved, "an update of what was seen returned {written:?}");
    subject.ensure_ttl(id, expected).await?;
    let swapped = swap(subject, id, lifetime).await?;
    ensure!(matches!(swapped, ItemSwap::Saved), "a swap returned {swapped:?}");
    subject.ensure_ttl(id, expected).await?;
    let range = TtlRange::at_least(lifetime.ttl).at_most(2 * lifetime.ttl).lifetime(lifetime);
    ensure!(subject.update_ttl(id, range).await?, "update_ttl did not find the session");
    subject.ensure_ttl(id, expected).await
}

pub(super) async fn metadata_is_no_item(subject: Subject) -> CheckResult {
    let id = create(&subject, own_ttl(DAY)).await?;
    subject.ensure_items(&id, r#"{"a":1}"#).await?;
    ensure!(subject.get_size(&id).await? == 1, "metadata counts as an item");
    ensure!(subject.get(&id, "$meta").await?.is_none(), "metadata is an item");
    ensure!(!subject.contains(&id, "$meta").await?, "metadata is contained");
    subject.update(&id, &change(r#"{"b":2}"#, &["a", "$meta"])).await?;
    subject.ensure_items(&id, r#"{"b":2}"#).await?;
    subject.ensure_ttl(&id, DAY).await?;
    for key in ["b", "absent"] {
        let part = subject.get_with_metadata(&id, key).await?;
        let items = part.as_ref().map(|part| part.to_json().into_owned());
        let expected = if key == "b" { r#"{"b":2}"# } else { "{}" };
        ensure!(items.as_deref() == Some(expected), "get_with_metadata({key}) found {items:?}");
        let ttl = part.and_then(|part| part.read_meta().ttl());
        ensure!(ttl == Some(DAY), "get_with_metadata found the own time to live {ttl:?}");
    }
    let range = TtlRange::at_least(HOUR).lifetime(Lifetime::idle(HOUR));
    let meta = subject.update_ttl_with_metadata(&id, range).await?;
    let is_own = meta.is_some_and(|meta| meta.is_empty() && meta.read_meta().ttl() == Some(DAY));
    ensure!(is_own, "update_ttl_with_metadata did not return the metadata");
    let missing = SessionId::random();
    let meta = subject.update_ttl_with_metadata(&missing, range).await?;
    ensure!(meta.is_none(), "update_ttl_with_metadata found a missing session");
    let plain = subject.create(r#"{"a":1}"#).await?;
    let meta = subject.update_ttl_with_metadata(&plain, range).await?;
    let is_plain = meta.is_some_and(|meta| meta.is_empty() && meta.read_meta().ttl().is_none());
    ensure!(is_plain, "update_ttl_with_metadata did not find a session without metadata");
    let part = subject.get_with_metadata(&plain, "absent").await?;
    ensure!(part.is_none(), "get_with_metadata found something in a session without metadata");
    Ok(())
}

pub(super) async fn a_sessions_own_ttl_holds(subject: Subject) -> CheckResult {
    for own in [DAY, MINUTE] {
        let id = create(&subject, own_ttl(own)).await?;
        subject.ensure_ttl(&id, own).await?;
        use_in_every_way(&subject, &id, Lifetime::idle(HOUR), own).await?;
        let moved = SessionId::random();
        subject.rename(&id, &moved, RenameOptions::grace(MINUTE)).await?;
        subject.ensure_ttl(&moved, own).await?;
        use_in_every_way(&subject, &moved, Lifetime::idle(HOUR), own).await?;
    }
    Ok(())
}

pub(super) async fn a_sessions_own_ttl_can_be_changed(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    for (ttl, expected) in [(Some(DAY), DAY), (Some(MINUTE), MINUTE), (None, HOUR)] {
        let written = subject.update(&id, &Changes::of_meta(own_ttl(ttl))).await?;
        ensure!(written == Written::Saved, "setting a time to live returned {written:?}");
        subject.ensure_ttl(&id, expected).await?;
        subject.ensure_items(&id, r#"{"a":1}"#).await?;
    }
    let missing = SessionId::random();
    let written = subject.update(&missing, &Changes::of_meta(own_ttl(DAY))).await?;
    ensure!(written == Written::Refused, "a missing session was given a time to live");
    subject.ensure_absent(&missing).await
}

/// A renewal by copying carries over what has changed meanwhile.
pub(super) async fn the_difference_of_two_sessions_has_their_metadata(
    subject: Subject,
) -> CheckResult {
    for is_seen in [false, true] {
        let copy = create(&subject, own_ttl(None)).await?;
        let before = subject.session(&copy).await?;
        let changed = create(&subject, own_ttl(MINUTE)).await?;
        let changed = subject.session(&changed).await?;
        let update = if is_seen {
            SetOptions::update_seen(&before, HOUR)
        } else {
            SetOptions::update(HOUR).seen(&before)
        };
        let missed = Changes::between(Some(&before), &changed);
        let written = subject.set_session(&copy, &missed, update).await?;
        ensure!(written == Written::Saved, "an update returned {written:?}");
        let now = subject.session(&copy).await?;
        let is_same = now.is_same_session(&changed);
        ensure!(is_same, "the metadata was not carried over (if seen: {is_seen}): {now:?}");
    }
    Ok(())
}

pub(super) async fn nothing_puts_off_an_absolute_end(subject: Subject) -> CheckResult {
    let lifetime = Lifetime::idle(HOUR).absolute(Some(DAY));
    let id = create(&subject, created(DAY - 2 * MINUTE)).await?;
    use_in_every_way(&subject, &id, lifetime, 2 * MINUTE).await?;
    let moved = SessionId::random();
    subject.rename(&id, &moved, RenameOptions::default()).await?;
    subject.ensure_ttl(&moved, 2 * MINUTE).await?;
    use_in_every_way(&subject, &moved, lifetime, 2 * MINUTE).await?;
    // Not even a time to live of the session's own, nor one that was extended by hand.
    subject.update(&moved, &Changes::of_meta(own_ttl(DAY))).await?;
    subject.update_ttl(&moved, TtlRange::at_least(2 * DAY)).await?;
    use_in_every_way(&subject, &moved, lifetime, 2 * MINUTE).await
}

pub(super) async fn a_session_behind_its_absolute_end_is_not_written(
    subject: Subject,
) -> CheckResult {
    let lifetime = Lifetime::idle(HOUR).absolute(Some(DAY));
    for own in [None, Some(2 * DAY)] {
        let mut meta = created(DAY);
        meta.extend(own_ttl(own));
        let id = create(&subject, meta).await?;
        let seen = subject.session(&id).await?;
        for options in [
            SetOptions::update(HOUR),
            SetOptions::update(HOUR).seen(&seen),
            SetOptions::update_seen(&seen, HOUR),
        ] {
            for changes in [set(r#"{"a":2}"#), Changes::of_meta(own_ttl(HOUR))] {
                let options = options.lifetime(lifetime);
                let written = subject.set_session(&id, &changes, options).await?;
                ensure!(written == Written::Refused, "a session that has ended was written");
            }
        }
        let swapped = swap(&subject, &id, lifetime).await?;
        ensure!(matches!(swapped, ItemSwap::Missing), "a swap returned {swapped:?}");
        subject.ensure_items(&id, r#"{"a":1}"#).await?;
        let range = TtlRange::at_least(HOUR).lifetime(lifetime);
        ensure!(!subject.update_ttl(&id, range).await?, "a session that has ended was extended");
        subject.ensure_absent(&id).await?;
    }
    Ok(())
}

pub(super) async fn metadata_that_cannot_be_read_says_nothing(subject: Subject) -> CheckResult {
    for meta in [r#"{"ttl":0}"#, r#"{"ttl":"x"}"#, r#"{"created":-1}"#, "[1]", "7"] {
        let text = format!(r#"{{"$meta":{meta},"a":1}}"#);
        let session = crate::Snapshot::parse(text).expect("it is JSON").expect("it has items");
        let id = SessionId::random();
        let copy = Changes::between(None, &session);
        subject.set_session(&id, &copy, SetOptions::create(HOUR)).await?;
        let lifetime = Lifetime::idle(HOUR).absolute(Some(DAY));
        use_in_every_way(&subject, &id, lifetime, HOUR).await?;
        subject.update(&id, &Changes::of_meta(own_ttl(DAY))).await?;
        subject.ensure_ttl(&id, DAY).await?;
    }
    Ok(())
}

pub(super) async fn one_of_several_claims_to_issue_an_id_is_granted(
    subject: Subject,
) -> CheckResult {
    let seen = now_millis();
    let id = create(&subject, MetaChange { created: Some(seen), ..MetaChange::default() }).await?;
    let claims = (1..=10).map(|number| {
        let (subject, id) = (subject.clone(), id.clone());
        tokio::spawn(async move {
            subject.delay(number % 4).await?;
            let issued = Some(Issue { seen, now: seen + number as u64 });
            let change = MetaChange { issued, ..MetaChange::default() };
            subject.update(&id, &Changes::of_meta(change)).await
        })
    });
    let granted = join_all(claims.collect()).await?;
    let granted = granted.into_iter().filter(|written| *written == Written::Saved).count();
    ensure!(granted == 1, "{granted} of 10 claims to issue a new id were granted");
    Ok(())
}

pub(super) async fn a_marker_keeps_what_leads_to_the_new_id(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    let salt = SessionId::random();
    let options = RenameOptions::grace(MINUTE).salt(salt.as_str());
    let new = id.derived(salt.as_str());
    ensure!(subject.rename(&id, &new, options).await?, "rename did not find the session");
    subject.ensure_marker(&id).await?;
    let marker = subject.session(&id).await?.read_meta();
    ensure!(marker.salt() == Some(salt.as_str()), "the marker has lost the salt");
    ensure!(!subject.rename(&id, &SessionId::random(), options).await?, "a marker was renamed");
    let swapped = swap(&subject, &id, Lifetime::idle(HOUR)).await?;
    ensure!(matches!(swapped, ItemSwap::Missing), "a swap in a marker returned {swapped:?}");
    let written = subject.update(&id, &set(r#"{"a":2}"#)).await?;
    ensure!(written == Written::Refused, "a marker was written");
    let removed = subject.remove_all(&id, None).await?;
    ensure!(!removed, "remove_all removed a marker");
    subject.ensure_items(&new, r#"{"a":1}"#).await
}
