//! An index that cannot be written.

use async_trait::async_trait;
use session_core::{Error, NewEntry, Result, UserEntry, UserIndex};

use crate::{forwarding::forwarding, *};

#[derive(Debug)]
struct Unwritable(MemoryStorage);

#[async_trait]
impl UserIndex for Unwritable {
    async fn add(&self, _: &str, _: &SessionId, _: NewEntry<'_>) -> Result<bool> {
        Err(Error::storage("test", "the index is away"))
    }

    async fn list(&self, user: &str) -> Result<Vec<UserEntry>> {
        self.0.users().unwrap().list(user).await
    }

    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.0.users().unwrap().end(user, ids).await
    }

    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.0.users().unwrap().remove(user, ids).await
    }
}

forwarding!(Unwritable {
    fn users(&self) -> Option<&dyn UserIndex> {
        Some(self)
    }
});

#[tokio::test]
async fn g17_no_session_becomes_a_users_before_its_entry_is_written() {
    let storage = Unwritable(MemoryStorage::new());
    let manager = Manager::builder(storage).ttl(TTL).build().unwrap();
    let session = manager.open(None);
    session.set("a", 1).await.unwrap();
    session.save().await.unwrap();
    assert!(matches!(session.login("bob").await, Err(Error::Storage(_))));
    let closed = session.close().await;
    assert!(closed.failure.is_some(), "the login is not acknowledged");
    let Outcome::Issued { id } = closed.outcome else { panic!("{closed:?}") };
    let session = manager.open(Some(id));
    assert_eq!(session.user().await.unwrap(), None);
    assert_eq!(session.get::<u8>("a").await.unwrap(), Some(1), "nothing else is lost");
}
