//! Changes that depend on what was seen.

use serde_json::value::RawValue;

use super::subject::{CheckResult, HOUR, MINUTE, Subject, change, ensure, join_all, set};
use crate::{ItemSwap, RenameOptions, SessionId, SetOptions, SwapOptions, Written};

const TASKS: usize = 10;
const INCREMENTS: usize = 20;

fn json(text: &str) -> Box<RawValue> {
    RawValue::from_string(text.to_owned()).expect("the suite's own items are JSON")
}

async fn swap(
    subject: &Subject,
    id: &SessionId,
    seen: Option<&str>,
    new: Option<&str>,
) -> CheckResult<ItemSwap> {
    let (seen, new) = (seen.map(json), new.map(json));
    let options = SwapOptions::ttl(HOUR);
    Ok(subject.swap_item(id, "a", seen.as_deref(), new.as_deref(), options).await?)
}

pub(super) async fn a_write_if_seen_is_refused_after_a_change(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1,"b":2.50}"#).await?;
    let seen = subject.session(&id).await?;
    let changes = change(r#"{"c":"x"}"#, &["a"]);
    let update = SetOptions::update_seen(&seen, HOUR);
    let written = subject.set_session(&id, &changes, update).await?;
    ensure!(written == Written::Saved, "a write to an unchanged session returned {written:?}");
    subject.ensure_items(&id, r#"{"b":2.50,"c":"x"}"#).await?;
    let written = subject.set_session(&id, &set(r#"{"a":9}"#), update).await?;
    ensure!(written == Written::Refused, "a write to a changed session returned {written:?}");
    subject.ensure_items(&id, r#"{"b":2.50,"c":"x"}"#).await?;
    subject.remove_all(&id, None).await?;
    let written = subject.set_session(&id, &set(r#"{"a":9}"#), update).await?;
    ensure!(written == Written::Refused, "a write to a removed session returned {written:?}");
    subject.ensure_absent(&id).await?;

    let id = subject.create(r#"{"a":1}"#).await?;
    let seen = subject.session(&id).await?;
    subject.update(&id, &set(r#"{"a":2}"#)).await?;
    let retire = SetOptions::retire(&seen, MINUTE);
    let written = subject.set_session(&id, &change("{}", &[]), retire).await?;
    ensure!(written == Written::Refused, "retiring a changed session returned {written:?}");
    let seen = subject.session(&id).await?;
    let retire = SetOptions::retire(&seen, MINUTE);
    let written = subject.set_session(&id, &change("{}", &[]), retire).await?;
    ensure!(written == Written::Saved, "retiring an unchanged session returned {written:?}");
    subject.ensure_marker(&id).await
}

pub(super) async fn swap_item_replaces_only_what_was_seen(subject: Subject) -> CheckResult {
    let id = subject.create_short(r#"{"a":"text","b":1}"#).await?;
    let swapped = swap(&subject, &id, Some("\"other\""), Some("2")).await?;
    let ItemSwap::Changed(Some(now)) = &swapped else {
        ensure!(false, "swapping another item returned {swapped:?}");
        return Ok(());
    };
    ensure!(now.get() == "\"text\"", "the item that was not seen is {now}");
    let swapped = swap(&subject, &id, None, Some("2")).await?;
    ensure!(matches!(swapped, ItemSwap::Changed(Some(_))), "adding an item returned {swapped:?}");
    subject.ensure_items(&id, r#"{"a":"text","b":1}"#).await?;

    let swapped = swap(&subject, &id, Some("\"text\""), Some("2.50")).await?;
    ensure!(matches!(swapped, ItemSwap::Saved), "replacing an item returned {swapped:?}");
    subject.ensure_items(&id, r#"{"a":2.50,"b":1}"#).await?;
    subject.ensure_ttl(&id, HOUR).await?;
    let swapped = swap(&subject, &id, Some("2.50"), None).await?;
    ensure!(matches!(swapped, ItemSwap::Saved), "removing an item returned {swapped:?}");
    subject.ensure_items(&id, r#"{"b":1}"#).await?;
    let swapped = swap(&subject, &id, Some("2.50"), None).await?;
    ensure!(matches!(swapped, ItemSwap::Changed(None)), "a missing item returned {swapped:?}");
    let swapped = swap(&subject, &id, None, Some("\"1\"")).await?;
    ensure!(matches!(swapped, ItemSwap::Saved), "adding an item returned {swapped:?}");
    subject.ensure_items(&id, r#"{"a":"1","b":1}"#).await
}

pub(super) async fn swap_item_never_creates(subject: Subject) -> CheckResult {
    let id = SessionId::random();
    let swapped = swap(&subject, &id, None, Some("1")).await?;
    ensure!(matches!(swapped, ItemSwap::Missing), "a missing session returned {swapped:?}");
    subject.ensure_absent(&id).await?;
    let (id, to) = (subject.create(r#"{"a":1}"#).await?, SessionId::random());
    ensure!(
        subject.rename(&id, &to, RenameOptions::grace(MINUTE)).await?,
        "rename did not find the session"
    );
    for seen in [None, Some("1")] {
        let swapped = swap(&subject, &id, seen, Some("2")).await?;
        ensure!(matches!(swapped, ItemSwap::Missing), "a marker returned {swapped:?}");
    }
    subject.ensure_marker(&id).await
}

pub(super) async fn removing_the_last_item_by_swap_leaves_a_session(
    subject: Subject,
) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    let swapped = swap(&subject, &id, Some("1"), None).await?;
    ensure!(matches!(swapped, ItemSwap::Saved), "removing an item returned {swapped:?}");
    subject.ensure_items(&id, "{}").await?;
    let swapped = swap(&subject, &id, None, Some("2")).await?;
    ensure!(matches!(swapped, ItemSwap::Saved), "adding an item returned {swapped:?}");
    subject.ensure_items(&id, r#"{"a":2}"#).await
}

pub(super) async fn concurrent_swaps_lose_nothing(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":0}"#).await?;
    let counters = (0..TASKS).map(|task| {
        let id = id.clone();
        subject.spawn(move |subject| async move {
            let mut seen = json("0");
            for number in 0..INCREMENTS {
                // Other items change as well, and the storage must not mind.
                let other = set(&format!(r#"{{"other-{task}":{number}}}"#));
                subject.update(&id, &other).await?;
                loop {
                    let count: usize = seen.get().parse().expect("a number");
                    let new = json(&(count + 1).to_string());
                    let options = SwapOptions::ttl(HOUR);
                    match subject.swap_item(&id, "a", Some(&seen), Some(&new), options).await? {
                        ItemSwap::Saved => break,
                        ItemSwap::Changed(Some(now)) => seen = now,
                        other => ensure!(false, "swapping an item returned {other:?}"),
                    }
                }
            }
            Ok(())
        })
    });
    join_all(counters.collect()).await?;
    let count = subject.get(&id, "a").await?.map(|count| count.get().to_owned());
    let expected = (TASKS * INCREMENTS).to_string();
    ensure!(
        count.as_deref() == Some(&*expected),
        "after {expected} increments the count is {count:?}"
    );
    Ok(())
}
