//! Renewals that an end of the user's sessions overtakes between two of their steps.

use std::sync::{Arc, OnceLock};

use session_core::{Error, Granularity, RenameOptions, Result, Snapshot, UserIndex};

use crate::{forwarding::forwarding, *};

/// While a session is renamed, all of bob's sessions are ended by somebody who finds neither: the
/// new id before the rename, and the old one after it.
#[derive(Debug)]
struct EndsDuringRenames(MemoryStorage);

forwarding!(EndsDuringRenames {
    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        let index = self.0.users().unwrap();
        let entries = index.list("bob").await?;
        let ids: Vec<SessionId> = entries.into_iter().map(|entry| entry.id).collect();
        if !ids.is_empty() {
            assert!(ids.contains(from) && ids.contains(to), "both are in the index by now");
            index.end("bob", &ids).await?;
            assert!(!self.0.remove_all(to, None).await?);
        }
        let is_renamed = self.0.rename(from, to, options).await?;
        if !ids.is_empty() {
            assert!(!self.0.remove_all(from, None).await?);
        }
        Ok(is_renamed)
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        self.0.users()
    }
});

fn manager() -> ManagerBuilder {
    Manager::builder(EndsDuringRenames(MemoryStorage::new())).ttl(TTL)
}

#[tokio::test]
async fn g17_a_renewal_that_an_end_overtakes_leaves_no_session() {
    let manager = manager().build().unwrap();
    let id = log_in(&manager, "bob").await;
    let session = manager.open(Some(id.clone()));
    assert!(matches!(session.regenerate_id().await, Err(Error::Vanished)));
    let closed = session.close().await;
    assert!(closed.failure.is_some() && closed.outcome == Outcome::Untouched, "{closed:?}");
    assert_eq!(user_of(&manager, &id).await, None);
    assert_eq!(count(&manager, "bob").await, 0);
}

#[tokio::test]
async fn g17_a_renewal_by_itself_that_an_end_overtakes_leaves_no_session() {
    let grace = Duration::from_millis(50);
    let manager = manager().renew_after(grace * 2).grace(grace).build().unwrap();
    let id = log_in(&manager, "bob").await;
    tokio::time::sleep(grace * 3).await;
    let session = manager.open(Some(id.clone()));
    assert_eq!(session.user().await.unwrap().as_deref(), Some("bob"));
    let closed = session.close().await;
    assert!(closed.failure.is_none(), "{closed:?}");
    assert!(!matches!(closed.outcome, Outcome::Issued { .. }), "{closed:?}");
    assert_eq!(user_of(&manager, &id).await, None);
    assert_eq!(count(&manager, "bob").await, 0);
}

/// While a session is renamed, another request of it ends the user's other sessions, before the
/// rename and after it.
#[derive(Clone, Debug)]
struct EndsOthersDuringRenames(Arc<MemoryStorage>, Arc<OnceLock<Manager>>);

impl EndsOthersDuringRenames {
    async fn end_others(&self, from: &SessionId) -> Result<usize> {
        let manager = self.1.get().expect("it is set before the first rename");
        manager.open(Some(from.clone())).end_others().await
    }
}

forwarding!(EndsOthersDuringRenames {
    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        let is_by_itself = options.salt.is_some();
        if is_by_itself {
            assert_eq!(self.end_others(from).await?, 1, "the other browser's");
        }
        let is_renamed = self.0.rename(from, to, options).await?;
        if is_by_itself {
            assert_eq!(self.end_others(from).await?, 0);
        }
        Ok(is_renamed)
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        self.0.users()
    }
});

#[tokio::test]
async fn g17_the_session_that_ends_the_others_stays_while_it_is_renewed() {
    let grace = Duration::from_millis(400);
    let other = Arc::new(OnceLock::new());
    let storage = EndsOthersDuringRenames(Arc::default(), other.clone());
    let manager = || Manager::builder(storage.clone()).ttl(TTL);
    let manager = manager().renew_after(grace * 2).grace(grace).build().unwrap();
    let [ended, kept] = [log_in(&manager, "bob").await, log_in(&manager, "bob").await];
    tokio::time::sleep(grace * 3).await;
    // The other node renews nothing meanwhile.
    let node = Manager::builder(storage).ttl(TTL).renew_after(TTL).grace(grace).build().unwrap();
    assert!(other.set(node).is_ok());
    let session = manager.open(Some(kept));
    assert_eq!(session.user().await.unwrap().as_deref(), Some("bob"));
    let Outcome::Issued { id } = session.close().await.outcome else { panic!("it is renewed") };
    assert_eq!(user_of(&manager, &id).await.as_deref(), Some("bob"));
    assert_eq!(user_of(&manager, &ended).await, None);
    assert_eq!(count(&manager, "bob").await, 1);
}

/// The grace of an id that was renewed ends as soon as its marker has been read with the metadata.
#[derive(Clone, Debug)]
struct MarkersEndOnceRead(Arc<MemoryStorage>);

const GRACE: Duration = Duration::from_secs(5);

forwarding!(MarkersEndOnceRead {
    async fn get_with_metadata(&self, id: &SessionId, key: &str) -> Result<Option<Snapshot>> {
        let found = self.0.get_with_metadata(id, key).await?;
        if found.as_ref().is_some_and(Snapshot::is_marker) {
            tokio::time::sleep(GRACE).await;
        }
        Ok(found)
    }

    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        self.0.rename(from, to, options).await
    }

    fn granularity(&self) -> Granularity {
        Granularity::Item
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        self.0.users()
    }
});

#[tokio::test(start_paused = true)]
async fn g14_a_renewal_at_the_end_of_a_grace_gives_the_session_a_new_id() {
    let builder = Manager::builder(MarkersEndOnceRead(Arc::default())).ttl(TTL).timeout(TTL);
    let manager = builder.renew_after(GRACE * 2).grace(GRACE).build().unwrap();
    let session = manager.open(None);
    session.set("cart", 1).await.unwrap();
    let first = issued(&session).await;
    tokio::time::sleep(GRACE * 2).await;
    let session = manager.open(Some(first.clone()));
    assert!(session.contains("cart").await.unwrap());
    let second = issued(&session).await;

    // The visitor logs in, with a request that has the first id still.
    let session = manager.open(Some(first.clone()));
    let third = session.regenerate_id().await.unwrap().expect("there is a session");
    session.set("user", "bob").await.unwrap();
    assert_eq!(issued(&session).await, third);
    assert!(third != first && third != second);
    for (id, items) in [(first, 0), (second, 0), (third, 2)] {
        assert_eq!(manager.open(Some(id)).size().await.unwrap(), items);
    }
}
