//! The index of users, if the storage has one.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::subject::{CheckResult, HOUR, MINUTE, Subject, ensure, join_all, set};
use crate::{
    Changes, NewEntry, SessionId, SetOptions, TtlRange, UserEntry, Written,
    snapshot::{Login, MetaChange},
};

const SOON: Duration = Duration::from_millis(300);

/// Returns a name that no other check uses, with characters that stores may give a meaning to.
fn new_user() -> String {
    format!("bob {{}} * @/../\"é {}", SessionId::random().as_str())
}

impl Subject {
    async fn entry(&self, user: &str, ttl: Duration) -> CheckResult<SessionId> {
        let id = SessionId::random();
        ensure!(self.add(user, &id, NewEntry::ttl(ttl)).await?, "an entry was refused");
        Ok(id)
    }

    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> CheckResult<bool> {
        let Some(index) = self.users() else { return Ok(true) };
        Ok(index.add(user, id, entry).await?)
    }

    async fn ensure_entries(&self, user: &str, expected: &[(&SessionId, bool)]) -> CheckResult {
        let Some(index) = self.users() else { return Ok(()) };
        let mut found = index.list(user).await?;
        found.sort_by(|one, other| one.id.cmp(&other.id));
        let expected = expected.iter();
        let mut expected: Vec<_> =
            expected.map(|(id, ended)| UserEntry::new(self.stored_id(id), *ended)).collect();
        expected.sort_by(|one, other| one.id.cmp(&other.id));
        ensure!(found == expected, "the index has {found:?} instead of {expected:?}");
        Ok(())
    }
}

pub(super) async fn an_entry_is_listed_until_it_is_removed(subject: Subject) -> CheckResult {
    let (bob, alice) = (new_user(), new_user());
    let Some(index) = subject.users() else { return Ok(()) };
    let [one, other] = [subject.entry(&bob, HOUR).await?, subject.entry(&bob, HOUR).await?];
    let hers = subject.entry(&alice, HOUR).await?;
    subject.ensure_entries(&bob, &[(&one, false), (&other, false)]).await?;
    index.remove(&bob, &[one, SessionId::random()]).await?;
    subject.ensure_entries(&bob, &[(&other, false)]).await?;
    index.remove(&bob, &[other]).await?;
    subject.ensure_entries(&bob, &[]).await?;
    subject.ensure_entries(&alice, &[(&hers, false)]).await?;
    subject.ensure_entries(&new_user(), &[]).await
}

pub(super) async fn entries_expire_by_themselves(subject: Subject) -> CheckResult {
    let user = new_user();
    let (short, long) = (subject.entry(&user, SOON).await?, subject.entry(&user, HOUR).await?);
    let kept = subject.entry(&user, SOON).await?;
    let ended = subject.entry(&user, SOON).await?;
    let Some(index) = subject.users() else { return Ok(()) };
    index.end(&user, std::slice::from_ref(&ended)).await?;
    subject.add(&user, &kept, NewEntry::ttl(HOUR)).await?;
    // Never shortened.
    subject.add(&user, &long, NewEntry::ttl(SOON)).await?;
    let deadline = Instant::now() + MINUTE / 4;
    while index.list(&user).await?.len() > 2 && Instant::now() < deadline {
        sleep(SOON / 10).await;
    }
    drop(short);
    subject.ensure_entries(&user, &[(&long, false), (&kept, false)]).await
}

pub(super) async fn an_ended_entry_stays_ended(subject: Subject) -> CheckResult {
    let user = new_user();
    let Some(index) = subject.users() else { return Ok(()) };
    let (one, other) = (subject.entry(&user, HOUR).await?, subject.entry(&user, HOUR).await?);
    let unknown = SessionId::random();
    index.end(&user, &[one.clone(), unknown.clone()]).await?;
    for id in [&one, &unknown] {
        ensure!(!subject.add(&user, id, NewEntry::ttl(HOUR)).await?, "an ended id was added again");
        let new = SessionId::random();
        for entry in [NewEntry::ttl(HOUR).renewing(id), NewEntry::ttl(HOUR).renewed(id)] {
            ensure!(!subject.add(&user, &new, entry).await?, "an ended session was renewed");
        }
    }
    subject.ensure_entries(&user, &[(&one, true), (&unknown, true), (&other, false)]).await?;
    index.remove(&user, &[one.clone(), unknown]).await?;
    ensure!(subject.add(&user, &one, NewEntry::ttl(HOUR)).await?, "a removed entry is still ended");
    Ok(())
}

pub(super) async fn a_renewed_entry_takes_the_place_of_the_old_one(
    subject: Subject,
) -> CheckResult {
    let user = new_user();
    let old = subject.entry(&user, HOUR).await?;
    let new = SessionId::random();
    let only = NewEntry::ttl(HOUR).max_others(Some(0));
    ensure!(!subject.add(&user, &new, only).await? || subject.users().is_none(), "one too many");
    ensure!(subject.add(&user, &new, only.renewing(&old)).await?, "a renewal was refused");
    subject.ensure_entries(&user, &[(&old, false), (&new, false)]).await?;
    ensure!(subject.add(&user, &new, only.renewed(&old)).await?, "the end of it was refused");
    subject.ensure_entries(&user, &[(&new, false)]).await
}

pub(super) async fn concurrent_additions_keep_the_limit(subject: Subject) -> CheckResult {
    if subject.users().is_none() {
        return Ok(());
    }
    let user = new_user();
    let add = |subject: Subject| {
        let user = user.clone();
        async move {
            let entry = NewEntry::ttl(HOUR).max_others(Some(2));
            subject.add(&user, &SessionId::random(), entry).await
        }
    };
    let tasks = (0..20).map(|_| subject.spawn(add)).collect();
    let added = join_all(tasks).await?.into_iter().filter(|added| *added).count();
    ensure!(added == 3, "{added} of 3 entries were added");
    Ok(())
}

pub(super) async fn writes_tell_of_a_users_session(subject: Subject) -> CheckResult {
    let id = subject.create(r#"{"a":1}"#).await?;
    let login = Login { user: "bob {\"}".into(), at: 5 };
    let change = MetaChange { login: Some(login.to_json()), ..MetaChange::default() };
    for changes in [Changes::of_meta(change), set(r#"{"b":2}"#)] {
        let written = subject.set_session(&id, &changes, SetOptions::update(HOUR)).await?;
        // Without an index, nobody has to know.
        if subject.users().is_none() && written == Written::Saved {
            continue;
        }
        let Written::SavedOfUser(session) = written else {
            ensure!(false, "the result of the write is {written:?}");
            return Ok(());
        };
        ensure!(session.read_meta().login() == Some(&login), "another user is told");
    }
    let extended = subject.update_ttl_with_metadata(&id, TtlRange::at_least(HOUR * 2)).await?;
    let user = extended.map(|session| session.read_meta().login().cloned());
    ensure!(user == Some(Some(login.clone())), "update_ttl_with_metadata tells {user:?}");
    subject.ensure_ttl(&id, HOUR * 2).await?;
    let to = SessionId::random();
    ensure!(subject.rename(&id, &to, Default::default()).await?, "the rename was refused");
    let moved = subject.session(&to).await?;
    ensure!(moved.read_meta().login() == Some(&login), "a rename has changed whose session it is");
    subject.ensure_items(&to, r#"{"a":1,"b":2}"#).await
}
