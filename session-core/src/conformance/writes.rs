//! Creating and updating, one after the other.

use super::subject::{HOUR, Outcome, Subject, change, set};
use crate::{Changes, SessionId, SetOptions, Written};

const UPDATE: SetOptions<'_> = SetOptions::update(HOUR);

pub(super) async fn create_makes_a_session_of_the_items_it_sets(subject: Subject) -> Outcome {
    let id = SessionId::random();
    let changes = change(r#"{"b":2,"a":1}"#, &["c"]);
    let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
    ensure!(written == Written::Saved, "creating a session answered {written:?}");
    subject.demand(&id, r#"{"a":1,"b":2}"#).await
}

pub(super) async fn create_is_refused_if_the_id_is_taken(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"a":1}"#).await?;
    for changes in [set(r#"{"a":2,"b":2}"#), change("{}", &["a"]), Changes::new()] {
        let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
        ensure!(written == Written::Refused, "creating at a taken id answered {written:?}");
        subject.demand(&id, r#"{"a":1}"#).await?;
    }
    Ok(())
}

pub(super) async fn create_without_an_item_is_refused(subject: Subject) -> Outcome {
    for changes in [Changes::new(), change("{}", &["a"])] {
        let id = SessionId::random();
        let written = subject.set_session(&id, &changes, SetOptions::create(HOUR)).await?;
        ensure!(written == Written::Refused, "creating without an item answered {written:?}");
        subject.demand_none(&id).await?;
        subject.create_for(&id, r#"{"a":1}"#, HOUR).await?;
    }
    Ok(())
}

pub(super) async fn update_sets_and_removes_and_keeps_the_rest(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"a":1,"b":2,"c":3}"#).await?;
    let written = subject.update(&id, &change(r#"{"b":20,"d":4}"#, &["a"])).await?;
    ensure!(written == Written::Saved, "updating a session answered {written:?}");
    subject.demand(&id, r#"{"b":20,"c":3,"d":4}"#).await?;

    let written = subject.update(&id, &change(r#"{"e":5}"#, &["b", "c", "d"])).await?;
    ensure!(written == Written::Saved, "replacing every item answered {written:?}");
    subject.demand(&id, r#"{"e":5}"#).await?;

    let written = subject.update(&id, &Changes::new()).await?;
    ensure!(written == Written::Saved, "an update without changes answered {written:?}");
    subject.demand(&id, r#"{"e":5}"#).await
}

pub(super) async fn update_never_creates(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"a":1}"#).await?;
    let seen = subject.session(&id).await?;
    subject.remove_all(&id, None).await?;
    for id in [id, SessionId::random()] {
        for seen in [None, Some(&seen)] {
            for changes in [set(r#"{"b":2}"#), change("{}", &["a"]), Changes::new()] {
                let update = SetOptions::update(HOUR).seen(seen);
                let written = subject.set_session(&id, &changes, update).await?;
                let refused = written == Written::Refused;
                ensure!(refused, "updating a missing session answered {written:?}");
                subject.demand_none(&id).await?;
            }
        }
    }
    Ok(())
}

pub(super) async fn update_applies_to_what_is_there_whatever_was_seen(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"a":1,"gone":0}"#).await?;
    let outdated = subject.session(&id).await?;
    subject.update(&id, &change(r#"{"a":2,"b":2}"#, &["gone"])).await?;
    let current = subject.session(&id).await?;
    let foreign = subject.session(&subject.create(r#"{"x":9}"#).await?).await?;

    for (number, seen) in [Some(&outdated), Some(&current), Some(&foreign), None].iter().enumerate()
    {
        let update = SetOptions::update(HOUR).seen(*seen);
        let changes = change(&format!(r#"{{"c":{number}}}"#), &["nobody"]);
        let written = subject.set_session(&id, &changes, update).await?;
        ensure!(written == Written::Saved, "updating with {seen:?} seen answered {written:?}");
        subject.demand(&id, &format!(r#"{{"a":2,"b":2,"c":{number}}}"#)).await?;
    }

    // Taken off what was seen this would empty the session.
    let update = SetOptions::update(HOUR).seen(&outdated);
    let written = subject.set_session(&id, &change("{}", &["a", "gone"]), update).await?;
    ensure!(written == Written::Saved, "removing what was seen of more answered {written:?}");
    subject.demand(&id, r#"{"b":2,"c":3}"#).await
}

pub(super) async fn removing_the_last_item_removes_the_session(subject: Subject) -> Outcome {
    for removes_in_one_step in [true, false] {
        let id = subject.create(r#"{"a":1,"b":2}"#).await?;
        let seen = subject.session(&id).await?;
        let update = SetOptions::update(HOUR).seen(&seen);
        let last = if removes_in_one_step {
            change("{}", &["a", "b", "nobody"])
        } else {
            subject.update(&id, &change("{}", &["a"])).await?;
            change("{}", &["b"])
        };
        let written = subject.set_session(&id, &last, update).await?;
        ensure!(written == Written::Emptied, "removing the last item answered {written:?}");
        subject.demand_none(&id).await?;
        let written = subject.set_session(&id, &set(r#"{"c":3}"#), UPDATE).await?;
        ensure!(written == Written::Refused, "updating an emptied session answered {written:?}");
        subject.create_for(&id, r#"{"d":4}"#, HOUR).await?;
        subject.demand(&id, r#"{"d":4}"#).await?;
    }
    Ok(())
}

pub(super) async fn removing_absent_keys_changes_nothing(subject: Subject) -> Outcome {
    let id = subject.create(r#"{"a":1}"#).await?;
    let written = subject.update(&id, &change("{}", &["b", "", "A"])).await?;
    ensure!(written == Written::Saved, "removing absent keys answered {written:?}");
    subject.demand(&id, r#"{"a":1}"#).await
}

pub(super) async fn a_missing_session_is_missing_to_every_method(subject: Subject) -> Outcome {
    demand_missing(&subject, &SessionId::random()).await?;
    let id = subject.create(r#"{"a":1}"#).await?;
    subject.remove_all(&id, None).await?;
    demand_missing(&subject, &id).await
}

/// Demands that no method finds a session or makes one.
pub(super) async fn demand_missing(subject: &Subject, id: &SessionId) -> Outcome {
    subject.demand_none(id).await?;
    ensure!(subject.get(id, "a").await?.is_none(), "get found an item of a missing session");
    ensure!(!subject.contains(id, "a").await?, "contains found an item of a missing session");
    ensure!(subject.get_size(id).await? == 0, "get_size counted items of a missing session");
    let left = subject.expires_in(id).await?;
    ensure!(left.is_none(), "expires_in of a missing session answered {left:?}");
    ensure!(!subject.remove_all(id, None).await?, "remove_all removed a missing session");
    ensure!(!subject.update_ttl(id, HOUR).await?, "update_ttl found a missing session");
    let other = SessionId::random();
    ensure!(!subject.rename(id, &other).await?, "rename moved a missing session");
    subject.demand_none(&other).await?;
    let written = subject.set_session(id, &set(r#"{"b":2}"#), UPDATE).await?;
    ensure!(written == Written::Refused, "updating a missing session answered {written:?}");
    subject.demand_none(id).await
}

pub(super) async fn sessions_are_apart_from_each_other(subject: Subject) -> Outcome {
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
        subject.create_for(id, &format!(r#"{{"a":{number}}}"#), HOUR).await?;
    }
    // A store that cannot tell upper from lower case may refuse such an id, not mix it up.
    let other_case = id(format!("A{}", unique.as_str()));
    subject.demand_none(&other_case).await?;
    ensure!(!subject.remove_all(&other_case, None).await?, "ids of another case are the same");

    subject.update(&ids[0], &set(r#"{"b":1}"#)).await?;
    subject.remove_all(&ids[1], None).await?;
    subject.demand(&ids[0], r#"{"a":0,"b":1}"#).await?;
    subject.demand_none(&ids[1]).await?;
    for (number, id) in ids.iter().enumerate().skip(2) {
        subject.demand(id, &format!(r#"{{"a":{number}}}"#)).await?;
    }
    Ok(())
}
