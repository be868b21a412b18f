//! The storage.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use super::{
    cancellation_token::CancellationToken,
    directory::{Directory, Entry},
    lock::Locks,
    reader_pool::ReaderPool,
    record::{Expiry, Record},
    sweep::Sweep,
};
use crate::{
    Changes, Error, RenameOptions, Result, SessionId, SetOptions, Snapshot, Storage, TtlRange,
    Written,
};

/// Stores each session in a file of its own, for the processes of one machine.
///
/// The first line of `<id>.session` holds the time at which the session expires, in milliseconds
/// since 1970, and its id; the rest is a JSON object of its items, which may be edited by hand.
/// Only their owner can read the files. Sessions survive a restart of the process. Files are not
/// synced to the disk, so a power failure may lose the latest writes.
///
/// Any number of processes may share a directory on a file system that supports file locks.
#[derive(Clone)]
pub struct FileStorage {
    directory: Arc<Directory>,
    locks: Arc<Locks>,
    readers: Arc<ReaderPool>,
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
    /// locked.
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
        let (dir, locks) = (dir.into(), Locks::new());
        let directory = Directory::open(&dir).and_then(|directory| {
            locks.probe(directory.path())?;
            Ok(directory)
        });
        let unusable = |error| {
            Error::Config(format!("session directory {} cannot be used: {error}", dir.display()))
        };
        let directory = Arc::new(directory.map_err(unusable)?);
        Ok(Self { directory, locks: Arc::new(locks), readers: Arc::default() })
    }

    async fn read(&self, id: &SessionId) -> Result<Entry> {
        let (directory, id) = (self.directory.clone(), id.clone());
        let read = move |readers: &Arc<ReaderPool>| {
            directory.read_with(&id, || readers.add_reader_for_queue())
        };
        let entry = self.readers.run(read).await;
        entry.map_err(|error| storage_error("read", error))
    }

    /// Runs `write` on a blocking thread, with exclusive access to these sessions among the writers
    /// of all processes.
    ///
    /// If the future is dropped while it waits, or before `write` changes a file, nothing is
    /// written.
    async fn exclusive<T: Send + 'static>(
        &self,
        ids: &[&SessionId],
        write: impl FnOnce(&Directory, &CancellationToken) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let guard = self.locks.lock_in_process(ids).await;
        let directory = self.directory.clone();
        let (token, _cancel_on_drop) = CancellationToken::new();
        blocking("write", move || {
            let _guard = guard.lock_files(directory.path(), &token)?;
            write(&directory, &token)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    verb: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    match spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| storage_error(verb, error)),
        Err(_) => Err(storage_error(verb, io::Error::other("the runtime is shutting down"))),
    }
}

fn storage_error(verb: &str, error: io::Error) -> Error {
    // The text is safe to log: the standard library's file errors contain no paths.
    Error::storage("file", format!("cannot {verb} a session: {error}"))
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
        let (session, changes) = (id.clone(), changes.clone());
        let (mode, ttl, seen) = (options.mode, options.ttl, options.seen.cloned());
        let write = move |directory: &Directory, token: &CancellationToken| {
            let stored = match directory.read(&session)? {
                Entry::Unreadable => return Ok(Written::Refused),
                entry => entry.into_snapshot(),
            };
            let options = SetOptions { mode, ttl, seen: seen.as_ref() };
            let Some(items) = options.apply(&changes, stored.as_ref()) else {
                return Ok(Written::Refused);
            };
            directory.write(&session, &Record { expires: Expiry::after(ttl), items }, token)?;
            Ok(Written::Saved)
        };
        self.exclusive(&[id], write).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        let session = id.clone();
        let write = move |directory: &Directory, token: &CancellationToken| {
            let Entry::Session(record) = directory.read(&session)? else {
                return Ok(false);
            };
            let [earliest, latest] = [ttl.at_least, ttl.at_most].map(Expiry::after);
            let expires = record.expires.min(latest).max(earliest);
            if expires != record.expires {
                directory.write(&session, &Record { expires, ..record }, token)?;
            }
            Ok(true)
        };
        self.exclusive(&[id], write).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        let (session, seen) = (id.clone(), if_seen.cloned());
        let write = move |directory: &Directory, token: &CancellationToken| {
            let Entry::Session(record) = directory.read(&session)? else {
                return Ok(false);
            };
            if seen.is_some_and(|seen| seen != record.items) {
                return Ok(false);
            }
            directory.remove(&session, token)?;
            Ok(true)
        };
        self.exclusive(&[id], write).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        let session = self.read(id).await?.into_session();
        Ok(session.map(|record| record.expires.time_left()))
    }

    /// Renames in one step for every other writer. Readers may briefly find the session under both
    /// ids.
    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions,
    ) -> Result<bool> {
        let (old, new) = (from.clone(), to.clone());
        let write = move |directory: &Directory, token: &CancellationToken| {
            let Entry::Session(record) = directory.read(&old)? else {
                return Ok(false);
            };
            let Entry::Vacant = directory.read(&new)? else {
                return Ok(false);
            };
            directory.write(&new, &record, token)?;
            // Not cancellable: the session exists under both ids now.
            let never = CancellationToken::never();
            if options.grace.is_zero() {
                directory.remove(&old, &never)?;
            } else {
                let expires = Expiry::after(options.grace);
                let marker = Record { expires, items: Snapshot::marker() };
                directory.write(&old, &marker, &never)?;
            }
            Ok(true)
        };
        self.exclusive(&[from, to], write).await
    }

    /// Removes expired sessions and the temporary files of killed writers.
    async fn sweep(&self) -> Result<()> {
        let directory = self.directory.clone();
        let mut sweep = blocking("sweep", move || Sweep::start(&directory)).await?;
        let mut is_complete = false;
        while !is_complete {
            let (directory, locks) = (self.directory.clone(), self.locks.clone());
            (sweep, is_complete) = blocking("sweep", move || {
                let is_complete = sweep.step(&directory, &locks)?;
                Ok((sweep, is_complete))
            })
            .await?;
        }
        Ok(())
    }
}

impl fmt::Debug for FileStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("FileStorage").field(&self.directory.path()).finish()
    }
}

#[cfg(test)]
mod tests;
