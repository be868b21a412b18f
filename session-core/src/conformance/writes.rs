//! Creating and updating, one operation at a time.

use std::sync::Arc;

use super::subject::{CheckResult, HOUR, Subject, change, ensure, set};
use crate::{
    Changes, Condition, Granularity, RenameOptions, SessionId, SetOptions, Snapshot, TtlRange,
    Written,
};

const UPDATE: SetOptions<'_> = SetOptions::update(HOUR);

pub(super) async fn create_stores_the_items_it_sets(subject: Subject) -> CheckResult {
    let id = SessionId::random();
    let changes = change(r#"{"b":2,"a":1}"#, &["c"]);
    let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
    ensure!(written == Written::Saved, "creating a session returned {written:?}");
    subject.ensure_items(&id, r#"{"a":1,"b":2}"#).await
}

pub(super) async fn create_is_refused_if_the_id_is_taken(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    for changes in [set(r#"{"a":2,"b":2}"#), change("{}", &["a"]), Changes::new()] {
        let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
        ensure!(written == Written::Refused, "creating at a taken id returned {written:?}");
        subject.ensure_items(&id, r#"{"a":1}"#).await?;
    }
    Ok(())
}

pub(super) async fn create_without_items_is_refused(subject: Subject) -> CheckResult {
    for changes in [Changes::new(), change("{}", &["a"])] {
        let id = SessionId::random();
        let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
        ensure!(written == Written::Refused, "creating without items returned {written:?}");
        subject.ensure_absent(&id).await?;
        subject.create_at(&id, r#"{"a":1}"#, HOUR).await?;
    }
    Ok(())
}

pub(super) async fn update_sets_and_removes_items_and_keeps_the_rest(
    subject: Subject,
) -> CheckResult {
    let id = subject.create(r#"{"a":1,"b":2,"c":3}"#).await?;
    let written = subject.update(&id, &change(r#"{"b":20,"d":4}"#, &["a"])).await?;
    ensure!(written == Written::Saved, "updating a session returned {written:?}");
    subject.ensure_items(&id, r#"{"b":20,"c":3,"d":4}"#).await?;

    let written = subject.update(&id, &change(r#"{"e":5}"#, &["b", "c", "d"])).await?;
    ensure!(written == Written::Saved, "replacing every item returned {written:?}");
    subject.ensure_items(&id, r#"{"e":5}"#).await?;

    let written = subject.update(&id, &Changes::new()).await?;
    ensure!(written == Written::Saved, "an update without changes returned {written:?}");
    subject.ensure_items(&id, r#"{"e":5}"#).await
}

pub(super) async fn update_never_creates(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    let seen = subject.session(&id).await?;
    subject.remove_all(&id, None).await?;
    for id in [id, SessionId::random()] {
        for seen in [None, Some(&seen)] {
            for changes in [set(r#"{"b":2}"#), change("{}", &["a"]), Changes::new()] {
                let update = SetOptions::update(HOUR).seen(seen);
                let written = subject.set_session(&id, &changes, update).await?;
                let refused = written == Written::Refused;
                ensure!(refused, "updating a missing session returned {written:?}");
                subject.ensure_absent(&id).await?;
            }
        }
    }
    Ok(())
}

pub(super) async fn update_applies_to_the_stored_session_whatever_was_seen(
    subject: Subject,
) -> CheckResult {
    let id = subject.create(r#"{"a":1,"gone":0}"#).await?;
    let outdated = subject.session(&id).await?;
    subject.update(&id, &change(r#"{"a":2,"b":2}"#, &["gone"])).await?;
    let current = subject.session(&id).await?;
    let foreign = subject.session(&subject.create(r#"{"x":9}"#).await?).await?;

    for (number, seen) in [Some(&outdated), Some(&current), Some(&foreign), None].iter().enumerate()
    {
        let update = SetOptions::update(HOUR).seen(*seen);
        let changes = change(&format!(r#"{{"c":{number}}}"#), &["absent"]);
        let written = subject.set_session(&id, &changes, update).await?;
        ensure!(
            written == Written::Saved,
            "updating with the snapshot {seen:?} returned {written:?}"
        );
        subject.ensure_items(&id, &format!(r#"{{"a":2,"b":2,"c":{number}}}"#)).await?;
    }

    // Applied to the outdated snapshot, this would empty the session.
    let update = SetOptions::update(HOUR).seen(&outdated);
    let written = subject.set_session(&id, &change("{}", &["a", "gone"]), update).await?;
    ensure!(
        written == Written::Saved,
        "removing all items of an outdated snapshot returned {written:?}"
    );
    subject.ensure_items(&id, r#"{"b":2,"c":3}"#).await
}

/// Met by a session whose item `a` is this number.
#[derive(Debug)]
struct IsNumber(u32);

impl Condition for IsNumber {
    fn is_met_by(&self, stored: &Snapshot) -> bool {
        stored.item("a").is_some_and(|item| item == self.0.to_string())
    }
}

pub(super) async fn update_of_a_whole_session_asks_for_the_condition(
    subject: Subject,
) -> CheckResult {
    if subject.granularity() == Granularity::Item {
        return Ok(());
    }
    let id = subject.create(r#"{"a":1}"#).await?;
    let outdated = subject.session(&id).await?;
    subject.update(&id, &change(r#"{"a":2}"#, &[])).await?;
    let [one, two]: [Arc<dyn Condition>; 2] = [1, 2].map(|number| Arc::new(IsNumber(number)) as _);
    for seen in [None, Some(&outdated)] {
        let update = SetOptions::update(HOUR).seen(seen);
        let changes = change(r#"{"b":1}"#, &[]);
        let written = subject.set_session(&id, &changes, update.condition(&one)).await?;
        ensure!(
            written == Written::Refused,
            "updating a session that does not meet the condition returned {written:?}"
        );
        subject.ensure_items(&id, r#"{"a":2}"#).await?;
        let written = subject.set_session(&id, &changes, update.condition(&two)).await?;
        ensure!(
            written == Written::Saved,
            "updating a session that meets the condition returned {written:?}"
        );
        subject.ensure_items(&id, r#"{"a":2,"b":1}"#).await?;
        subject.update(&id, &change("{}", &["b"])).await?;
    }
    Ok(())
}

pub(super) async fn removing_the_last_item_leaves_a_session_without_items(
    subject: Subject,
) -> CheckResult {
    for in_one_step in [true, false] {
        let id = subject.create(r#"{"a":1,"b":2}"#).await?;
        let seen = subject.session(&id).await?;
        let update = SetOptions::update(HOUR).seen(&seen);
        let last = if in_one_step {
            change("{}", &["a", "b", "absent"])
        } else {
            subject.update(&id, &change("{}", &["a"])).await?;
            change("{}", &["b"])
        };
        let written = subject.set_session(&id, &last, update).await?;
        ensure!(written == Written::Saved, "removing the last item returned {written:?}");
        subject.ensure_items(&id, "{}").await?;
        subject.ensure_ttl(&id, HOUR).await?;
        let size = subject.get_size(&id).await?;
        ensure!(size == 0, "an emptied session has {size} items");
        let taken = subject.set_session(&id, &set(r#"{"c":3}"#), SetOptions::create(HOUR)).await?;
        ensure!(taken == Written::Refused, "creating an emptied session returned {taken:?}");
        // It can be renamed and written like any other.
        let renamed = SessionId::random();
        ensure!(
            subject.rename(&id, &renamed, RenameOptions::default()).await?,
            "an emptied session was not renamed"
        );
        subject.ensure_items(&renamed, "{}").await?;
        let written = subject.set_session(&renamed, &set(r#"{"c":3}"#), UPDATE).await?;
        ensure!(written == Written::Saved, "updating an emptied session returned {written:?}");
        subject.ensure_items(&renamed, r#"{"c":3}"#).await?;
        ensure!(subject.remove_all(&renamed, None).await?, "it was not removed");
        subject.ensure_absent(&renamed).await?;
    }
    Ok(())
}

pub(super) async fn removing_absent_keys_changes_nothing(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    let written = subject.update(&id, &change("{}", &["b", "", "A"])).await?;
    ensure!(written == Written::Saved, "removing absent keys returned {written:?}");
    subject.ensure_items(&id, r#"{"a":1}"#).await
}

pub(super) async fn every_method_reports_a_missing_session_as_missing(
    subject: Subject,
) -> CheckResult {
    ensure_absent_for_every_method(&subject, &SessionId::random()).await?;
    let id = subject.create(r#"{"a":1}"#).await?;
    subject.remove_all(&id, None).await?;
    ensure_absent_for_every_method(&subject, &id).await
}

/// Checks that no method finds or creates a session at this id.
pub(super) async fn ensure_absent_for_every_method(
    subject: &Subject,
    id: &SessionId,
) -> CheckResult {
    subject.ensure_absent(id).await?;
    ensure!(subject.get(id, "a").await?.is_none(), "get found an item of a missing session");
    ensure!(!subject.contains(id, "a").await?, "contains found an item of a missing session");
    ensure!(subject.get_size(id).await? == 0, "get_size counted items of a missing session");
    let left = subject.expires_in(id).await?;
    ensure!(left.is_none(), "expires_in of a missing session returned {left:?}");
    ensure!(!subject.remove_all(id, None).await?, "remove_all removed a missing session");
    ensure!(
        !subject.update_ttl(id, TtlRange::at_least(HOUR)).await?,
        "update_ttl found a missing session"
    );
    let other = SessionId::random();
    ensure!(
        !subject.rename(id, &other, RenameOptions::default()).await?,
        "rename moved a missing session"
    );
    subject.ensure_absent(&other).await?;
    let written = subject.set_session(id, &set(r#"{"b":2}"#), UPDATE).await?;
    ensure!(written == Written::Refused, "updating a missing session returned {written:?}");
    subject.ensure_absent(id).await
}

pub(super) async fn sessions_do_not_affect_each_other(subject: Subject) -> CheckResult {
    let unique = SessionId::random();
    let id = |text: String| SessionId::parse(&text).expect("the suite's own ids are valid");
    let ids = [
        id(format!("a{}", unique.as_str())),
        id(format!("a{}-", unique.as_str())),
        id(format!("-{}_", unique.as_str())),
        id(format!("{}{}", "x".repeat(96), unique.as_str())),
        unique.clone(),
    ];
    for (number, id) in ids.iter().enumerate() {
        subject.create_at(id, &format!(r#"{{"a":{number}}}"#), HOUR).await?;
    }
    // A store that ignores case may refuse such an id, but not confuse it with the other.
    let other_case = id(format!("A{}", unique.as_str()));
    subject.ensure_absent(&other_case).await?;
    ensure!(
        !subject.remove_all(&other_case, None).await?,
        "ids that differ only in case are confused"
    );

    subject.update(&ids[0], &set(r#"{"b":1}"#)).await?;
    subject.remove_all(&ids[1], None).await?;
    subject.ensure_items(&ids[0], r#"{"a":0,"b":1}"#).await?;
    subject.ensure_absent(&ids[1]).await?;
    for (number, id) in ids.iter().enumerate().skip(2) {
        subject.ensure_items(id, &format!(r#"{{"a":{number}}}"#)).await?;
    }
    Ok(())
}
