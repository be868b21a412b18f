//! The storage.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde_json::value::RawValue;
use tokio::task::spawn_blocking;

use super::{
    cancellation_token::CancellationToken,
    clock::Clock,
    directory::{Directory, Entry},
    lock::Locks,
    permit::Permit,
    reader_pool::ReaderPool,
    record::Record,
    sweep::Sweeper,
};
use crate::{
    Changes, Error, ItemSwap, Page, RenameOptions, Result, Scan, SessionId, SetOptions, Snapshot,
    Storage, SwapOptions, TtlRange, UserIndex, WriteMode, Written,
    storage::{
        OwnedSetOptions,
        write_groups::{self, Applied, Group, GroupedWrites, WriteGroups},
    },
};

/// Stores each session in a file of its own, for the processes of one machine.
///
/// The first line of `<id>.session` holds the time at which the session expires, in milliseconds
/// since 1970, and its id; the rest is a JSON object of its items, which may be edited by hand.
/// The file's modification time shows when the session expires, too. Only their owner can read the
/// files. Sessions survive a restart of the process. Files are not synced to the disk, so a power
/// failure may lose the latest writes.
///
/// Any number of processes may share a directory on a file system that supports file locks.
///
/// If the directory is removed while it is in use, it is created anew, unless its parent is missing
/// as well.
#[derive(Clone)]
pub struct FileStorage {
    directory: Arc<Directory>,
    locks: Arc<Locks>,
    readers: Arc<ReaderPool>,
    sweeper: Arc<Sweeper>,
    groups: Arc<WriteGroups>,
}

impl FileStorage {
    /// Stores sessions in a directory. If it is missing, it is created for its owner only.
    ///
    /// An existing directory keeps its mode. A warning is logged if other users have access to it,
    /// since the names of the files contain the ids.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the directory cannot be created, or files in it cannot be written or
    /// locked. It names the directory, and what is wrong.
    ///
    /// # Examples
    ///
    /// ```
    /// # let dir = tempfile::tempdir().unwrap();
    /// # let dir = dir.path().join("sessions");
    /// let storage = session_core::FileStorage::open(dir)?;
    /// # Ok::<_, session_core::Error>(())
    /// ```
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self> {
        Self::open_by(&dir.into(), Clock::of_the_machine())
    }

    fn open_by(dir: &Path, clock: Clock) -> Result<Self> {
        let locks = Locks::new();
        let directory = Directory::open(dir, clock).and_then(|directory| {
            locks.probe(&directory)?;
            Ok(directory)
        });
        let shown = dir.display();
        let unusable =
            |error| Error::Config(format!("session directory {shown} cannot be used: {error}"));
        Ok(Self {
            directory: Arc::new(directory.map_err(unusable)?),
            locks: Arc::new(locks),
            readers: Arc::default(),
            sweeper: Arc::default(),
            groups: Arc::default(),
        })
    }

    async fn read(&self, id: &SessionId) -> Result<Entry> {
        let (directory, id) = (self.directory.clone(), id.clone());
        let read = move |readers: &Arc<ReaderPool>| {
            directory.read_with(&id, || readers.add_reader_for_queue())
        };
        self.readers.run(read).await.map_err(|error| storage_error("read", error))
    }

    async fn write(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let (session, changes) = (id.clone(), changes.clone());
        let options = OwnedSetOptions::from(options);
        let write = move |directory: &Directory, permit: Permit| {
            let stored = match directory.read(&session)? {
                Entry::Unreadable => return Ok(Written::Refused),
                entry => entry.into_snapshot(),
            };
            let Some((items, ttl)) = options.borrowed().apply(&changes, stored.as_ref()) else {
                return Ok(Written::Refused);
            };
            let written = Written::saved(&items);
            let record = Record { expires: directory.expiry(ttl), items };
            directory.write(&session, &record, &permit)?;
            Ok(written)
        };
        self.exclusive(&[id], write).await
    }

    /// Runs `write` on a blocking thread, with exclusive access to these sessions among the writers
    /// of all processes.
    ///
    /// If the future is dropped while it waits, or before `write` changes a file, nothing is
    /// written.
    pub(super) async fn exclusive<T: Send + 'static>(
        &self,
        ids: &[&SessionId],
        write: impl FnOnce(&Directory, Permit) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let guard = self.locks.lock_in_process(ids).await;
        let (directory, locks) = (self.directory.clone(), self.locks.clone());
        let (token, _cancel_on_drop) = CancellationToken::new();
        let written = blocking(move || {
            let guard = locks.lock_files(guard, &directory, &token)?;
            write(&directory, Permit::new(token, guard))
        })
        .await;
        written.map_err(|error| storage_error("write", error))
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let ended = |_| Err(io::Error::other("the runtime is shutting down"));
    spawn_blocking(work).await.unwrap_or_else(ended)
}

fn storage_error(verb: &str, error: io::Error) -> Error {
    // The text is safe to log: the standard library's file errors contain no paths.
    Error::storage("file", format!("cannot {verb} a session: {error}"))
}

impl GroupedWrites for FileStorage {
    const NAME: &'static str = "file";

    fn groups(&self) -> &WriteGroups {
        &self.groups
    }

    fn patience(&self) -> Option<Duration> {
        None
    }

    async fn write_group(
        &self,
        id: &SessionId,
        group: Group,
        _: Option<Snapshot>,
    ) -> Option<Snapshot> {
        let (session, group) = (id.clone(), Arc::new(group));
        let writes = group.clone();
        let write = move |directory: &Directory, permit: Permit| {
            let stored = directory.read(&session)?.into_snapshot();
            let Applied { new, answers } = writes.apply(stored.as_ref());
            if let Some((items, ttl)) = new {
                let record = Record { expires: directory.expiry(ttl), items };
                directory.write(&session, &record, &permit)?;
            }
            Ok(answers)
        };
        let written = self.exclusive(&[id], write).await;
        if let Some(group) = Arc::into_inner(group) {
            group.answer(written);
        }
        None
    }
}

#[async_trait]
impl Storage for FileStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        Ok(self.read(id).await?.into_snapshot())
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        if options.mode != WriteMode::Update {
            return self.write(id, changes, options).await;
        }
        let alone = async { Ok((self.write(id, changes, options).await?, None)) };
        write_groups::update(self, id, changes, options, alone).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        Ok(self.update_ttl_with_metadata(id, ttl).await?.is_some())
    }

    async fn update_ttl_with_metadata(
        &self,
        id: &SessionId,
        ttl: TtlRange,
    ) -> Result<Option<Snapshot>> {
        let session = id.clone();
        let write = move |directory: &Directory, permit: Permit| {
            let Entry::Session(record) = directory.read(&session)? else {
                return Ok(None);
            };
            let Some(ttl) = ttl.of(&record.items) else {
                directory.remove(&session, &permit)?;
                return Ok(None);
            };
            let metadata = record.items.without_items();
            let [earliest, latest] = [ttl.at_least, ttl.at_most].map(|ttl| directory.expiry(ttl));
            let expires = record.expires.min(latest).max(earliest);
            if expires != record.expires {
                directory.write(&session, &Record { expires, ..record }, &permit)?;
            }
            Ok(Some(metadata))
        };
        self.exclusive(&[id], write).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        let (session, seen) = (id.clone(), if_seen.cloned());
        let write = move |directory: &Directory, permit: Permit| {
            let Entry::Session(record) = directory.read(&session)? else {
                return Ok(false);
            };
            if seen.is_some_and(|seen| seen != record.items) {
                return Ok(false);
            }
            directory.remove(&session, &permit)?;
            Ok(true)
        };
        self.exclusive(&[id], write).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        let session = self.read(id).await?.into_session();
        Ok(session.map(|record| record.expires.time_left(self.directory.clock().now())))
    }

    async fn swap_item(
        &self,
        id: &SessionId,
        key: &str,
        seen: Option<&RawValue>,
        new: Option<&RawValue>,
        options: SwapOptions<'_>,
    ) -> Result<ItemSwap> {
        let (session, key, lifetime) = (id.clone(), key.to_owned(), options.lifetime);
        let seen = seen.map(|seen| seen.get().to_owned());
        let changes = Changes::of_item(&key, new);
        let swap = move |directory: &Directory, permit: Permit| {
            let stored = directory.read(&session)?.into_snapshot();
            let Some(now) = stored.filter(|stored| !stored.is_marker()) else {
                return Ok(ItemSwap::Missing);
            };
            if now.item(&key) != seen.as_deref() {
                return Ok(ItemSwap::Changed(now.get(&key)?));
            }
            let items = changes.apply(Some(&now)).expect("a session with changes is a session");
            let Some(ttl) = lifetime.ttl_of(&items) else { return Ok(ItemSwap::Missing) };
            let record = Record { expires: directory.expiry(ttl), items };
            directory.write(&session, &record, &permit)?;
            Ok(ItemSwap::Saved)
        };
        self.exclusive(&[id], swap).await
    }

    /// Renames in one step for every other writer. Readers may briefly find the session under both
    /// ids.
    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        let (old, new) = (from.clone(), to.clone());
        let (grace, marker) = (options.grace, options.marker());
        let write = move |directory: &Directory, permit: Permit| {
            let Entry::Session(record) = directory.read(&old)? else {
                return Ok(false);
            };
            let Entry::Vacant = directory.read(&new)? else {
                return Ok(false);
            };
            directory.write(&new, &record, &permit)?;
            // Not cancellable: the session exists under both ids now.
            let permit = permit.irrevocable();
            match marker {
                None => directory.remove(&old, &permit)?,
                Some(items) => {
                    let expires = directory.expiry(grace);
                    directory.write(&old, &Record { expires, items }, &permit)?;
                }
            }
            Ok(true)
        };
        self.exclusive(&[from, to], write).await
    }

    fn scanner(&self) -> Option<&dyn Scan> {
        Some(self)
    }

    fn users(&self) -> Option<&dyn UserIndex> {
        Some(self)
    }

    /// Removes expired sessions and the temporary files of killed writers.
    ///
    /// With very many files it rests meanwhile: calls do nothing until it has used no more than a
    /// hundredth of the time.
    async fn sweep(&self) -> Result<()> {
        let swept = self.sweeper.sweep(&self.directory, &self.locks).await;
        swept.map(drop).map_err(|error| storage_error("sweep", error))
    }
}

/// A page is named by the last id of the page before it.
#[async_trait]
impl Scan for FileStorage {
    async fn scan(&self, page: Option<&str>) -> Result<Page> {
        let unknown = |_| Error::storage("file", "there is no such page of sessions");
        let last = page.map(SessionId::parse).transpose().map_err(unknown)?;
        let directory = self.directory.clone();
        let listed = blocking(move || directory.scan(last.as_ref())).await;
        listed.map_err(|error| storage_error("list", error))
    }
}

impl fmt::Debug for FileStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileStorage").field(&self.directory.path()).finish()
    }
}

#[cfg(test)]
mod clock_tests;
#[cfg(test)]
mod fault_tests;
#[cfg(test)]
mod sweep_tests;
#[cfg(test)]
mod tests;
