//! Sessions in files.

use std::{fmt, io, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::task::spawn_blocking;

use crate::{Changes, Error, Result, SessionId, SetOptions, Snapshot, Storage, Written};
use caller::Caller;
use directory::{Directory, Found};
use lock::Locks;
use readers::Readers;
use record::{Expiry, Record};

mod caller;
mod directory;
mod lock;
mod readers;
mod record;
mod sweep;

/// Keeps each session in a file of its own, for the processes of one machine.
///
/// `<id>.session` has in its first line when the session expires, in milliseconds since 1970,
/// and its id; the rest is a JSON object of its items, which may be edited by hand. The files
/// can be read by their owner only. Sessions survive a restart of the process; they are not
/// synced to the disk, so a power failure may cost the last ones.
///
/// Any number of processes may share a directory on a file system with file locks.
#[derive(Clone)]
pub struct FileStorage {
    directory: Arc<Directory>,
    locks: Arc<Locks>,
    readers: Arc<Readers>,
}

impl FileStorage {
    /// Uses a directory, which is created, for the owner only, if it is missing.
    ///
    /// An existing directory keeps its mode; if others may list it, and so learn the ids, a
    /// warning is logged.
    ///
    /// # Errors
    ///
    /// [`Error::Config`] if the directory cannot be created, or files in it cannot be written
    /// or locked.
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

    async fn read(&self, id: &SessionId) -> Result<Option<Record>> {
        let (directory, id) = (self.directory.clone(), id.clone());
        let read = move |readers: &Arc<Readers>| directory.read_among(&id, || readers.help());
        let found = self.readers.read(read).await;
        Ok(found.map_err(|error| failed("read", error))?.session())
    }

    /// Runs `work` on a blocking thread while no other writer of these sessions is at work, in
    /// this process or another.
    ///
    /// If the future is dropped while it waits, or before `work` has written, nothing is written.
    async fn alone<T: Send + 'static>(
        &self,
        ids: &[&SessionId],
        work: impl FnOnce(&Directory, &Caller) -> io::Result<T> + Send + 'static,
    ) -> Result<T> {
        let turns = self.locks.turns(ids).await;
        let directory = self.directory.clone();
        let (caller, _waiting) = Caller::new();
        blocking("write", move || {
            let _held = turns.lock(directory.path(), &caller)?;
            work(&directory, &caller)
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    doing: &str,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T> {
    match spawn_blocking(work).await {
        Ok(done) => done.map_err(|error| failed(doing, error)),
        Err(_) => Err(failed(doing, io::Error::other("the runtime is shutting down"))),
    }
}

/// The errors of the standard library's file functions name no paths.
fn failed(doing: &str, error: io::Error) -> Error {
    Error::storage("file", format!("cannot {doing} a session: {error}"))
}

#[async_trait]
impl Storage for FileStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        Ok(self.read(id).await?.map(|record| record.items))
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        let (session, changes) = (id.clone(), changes.clone());
        let (mode, ttl) = (options.mode, options.ttl);
        let work = move |directory: &Directory, caller: &Caller| {
            let stored = match directory.read(&session)? {
                Found::Free => None,
                Found::Session(record) => Some(record.items),
                Found::Unreadable => return Ok(Written::Refused),
            };
            let options = SetOptions { mode, ttl, seen: None };
            if !options.allow(stored.as_ref(), &changes) {
                return Ok(Written::Refused);
            }
            match changes.apply(stored.as_ref()) {
                Some(items) => {
                    let record = Record { expires: Expiry::after(ttl), items };
                    directory.write(&session, &record, caller)?;
                    Ok(Written::Saved)
                }
                None => {
                    directory.remove(&session, caller)?;
                    Ok(Written::Emptied)
                }
            }
        };
        self.alone(&[id], work).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: Duration) -> Result<bool> {
        let session = id.clone();
        let work = move |directory: &Directory, caller: &Caller| {
            let Found::Session(record) = directory.read(&session)? else {
                return Ok(false);
            };
            let expires = Expiry::after(ttl);
            if expires > record.expires {
                directory.write(&session, &Record { expires, ..record }, caller)?;
            }
            Ok(true)
        };
        self.alone(&[id], work).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        let (session, seen) = (id.clone(), if_seen.cloned());
        let work = move |directory: &Directory, caller: &Caller| {
            let Found::Session(record) = directory.read(&session)? else {
                return Ok(false);
            };
            if seen.is_some_and(|seen| seen != record.items) {
                return Ok(false);
            }
            directory.remove(&session, caller)?;
            Ok(true)
        };
        self.alone(&[id], work).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        Ok(self.read(id).await?.map(|record| record.expires.time_left()))
    }

    /// One step for every writer. For a moment a reader may find the session under both ids.
    async fn rename(&self, from: &SessionId, to: &SessionId) -> Result<bool> {
        let (old, new) = (from.clone(), to.clone());
        let work = move |directory: &Directory, caller: &Caller| {
            let Found::Session(record) = directory.read(&old)? else {
                return Ok(false);
            };
            let Found::Free = directory.read(&new)? else {
                return Ok(false);
            };
            directory.write(&new, &record, caller)?;
            // From here on there is no giving up: both are there.
            directory.remove(&old, &Caller::patient())?;
            Ok(true)
        };
        self.alone(&[from, to], work).await
    }

    /// Removes expired sessions, and the temporary files of writers that were killed.
    async fn sweep(&self) -> Result<()> {
        let directory = self.directory.clone();
        let mut sweep = blocking("sweep", move || sweep::Sweep::start(&directory)).await?;
        let mut done = false;
        while !done {
            let (directory, locks) = (self.directory.clone(), self.locks.clone());
            (sweep, done) = blocking("sweep", move || {
                let done = sweep.step(&directory, &locks)?;
                Ok((sweep, done))
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
