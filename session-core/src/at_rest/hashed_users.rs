//! The index of users, with hashed ids.

use async_trait::async_trait;

use super::hashed_ids::Hashing;
use crate::{NewEntry, Result, SessionId, Storage, UserEntry, UserIndex};

impl<S: Storage> Hashing<S> {
    fn index(&self) -> &dyn UserIndex {
        self.inner().users().expect("`users` returns this index only if there is one inside")
    }
}

/// Takes the ids of clients, and lists them as the store knows them.
#[async_trait]
impl<S: Storage> UserIndex for Hashing<S> {
    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> Result<bool> {
        let from = entry.from.map(SessionId::hashed);
        let entry = NewEntry { from: from.as_ref(), ..entry };
        self.index().add(user, &id.hashed(), entry).await
    }

    async fn list(&self, user: &str) -> Result<Vec<UserEntry>> {
        self.index().list(user).await
    }

    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.index().end(user, &hashed(ids)).await
    }

    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        self.index().remove(user, &hashed(ids)).await
    }
}

fn hashed(ids: &[SessionId]) -> Vec<SessionId> {
    ids.iter().map(SessionId::hashed).collect()
}
