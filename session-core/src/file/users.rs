//! Which sessions a user has: a file for each user, with the entries in place of items.

use std::{
    io::{self, ErrorKind},
    slice,
};

use async_trait::async_trait;

use super::{
    FileStorage,
    directory::{Directory, Entry},
    permit::Permit,
    record::{Record, Timestamp},
};
use crate::{
    NewEntry, Result, SessionId, Snapshot, UserEntry, UserIndex, storage::user_entries::UserEntries,
};

impl FileStorage {
    /// Changes the entries of a user, under the lock of their file.
    async fn change_users<T: Send + 'static>(
        &self,
        user: &str,
        change: impl FnOnce(&mut UserEntries, u64) -> T + Send + 'static,
    ) -> Result<T> {
        let index = SessionId::of_user(user);
        let name = index.clone();
        let write = move |directory: &Directory, permit: Permit| {
            let now = directory.clock().now().millis();
            let (mut entries, is_stored) = read(directory, &name)?;
            entries.prune(now);
            let before = entries.write();
            let changed = change(&mut entries, now);
            match entries.prune(now) {
                Some(_) if is_stored && entries.write() == before => {}
                Some(expires) => {
                    let items = Snapshot::parse(entries.write());
                    let items = items.ok().flatten().ok_or_else(unreadable)?;
                    let expires = Timestamp::of_millis(expires);
                    directory.write(&name, &Record { expires, items }, &permit)?;
                }
                None if is_stored => directory.remove(&name, &permit)?,
                None => {}
            }
            Ok(changed)
        };
        self.exclusive(slice::from_ref(&&index), write).await
    }
}

/// Reads the entries in a file, and whether there is one.
fn read(directory: &Directory, name: &SessionId) -> io::Result<(UserEntries, bool)> {
    match directory.read(name)? {
        Entry::Session(record) => {
            Ok((UserEntries::read(record.items.stored()).ok_or_else(unreadable)?, true))
        }
        Entry::Vacant => Ok((UserEntries::default(), false)),
        Entry::Marker(_) | Entry::Unreadable => Err(unreadable()),
    }
}

fn unreadable() -> io::Error {
    io::Error::new(ErrorKind::InvalidData, "the index of a user cannot be read")
}

#[async_trait]
impl UserIndex for FileStorage {
    async fn add(&self, user: &str, id: &SessionId, entry: NewEntry<'_>) -> Result<bool> {
        let (id, from) = (id.clone(), entry.from.cloned());
        let NewEntry { ttl, max_others, removes_from, .. } = entry;
        let add = move |entries: &mut UserEntries, now| {
            let entry = NewEntry { ttl, max_others, from: from.as_ref(), removes_from };
            entries.add(&id, now, entry)
        };
        self.change_users(user, add).await
    }

    async fn list(&self, user: &str) -> Result<Vec<UserEntry>> {
        self.change_users(user, |entries, _| entries.list()).await
    }

    async fn end(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        let ids = ids.to_vec();
        self.change_users(user, move |entries, now| entries.end(&ids, now)).await
    }

    async fn remove(&self, user: &str, ids: &[SessionId]) -> Result<()> {
        let ids = ids.to_vec();
        self.change_users(user, move |entries, _| entries.remove(&ids)).await
    }
}
