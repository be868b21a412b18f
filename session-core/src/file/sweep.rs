//! Removing expired sessions and abandoned temporary files.

use std::{
    fs::{self, DirEntry, File, ReadDir},
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
    time::Duration,
};

use super::{directory::Directory, lock::Locks, record::Expiry};
use crate::SessionId;

/// The files examined in one step, which takes about a millisecond.
const FILES_PER_STEP: usize = 100;

/// The age from which a temporary file is abandoned: no running writer takes this long.
const STALE: Duration = Duration::from_secs(60);

/// An upper bound on the length of a first line, in bytes.
const MAX_FIRST_LINE: u64 = 512;

/// A walk through the directory, in short steps so that none delays a shutdown.
pub(super) struct Sweep(ReadDir);

impl Sweep {
    pub(super) fn start(directory: &Directory) -> io::Result<Self> {
        fs::read_dir(directory.path()).map(Self)
    }

    /// Examines the next files. Returns whether the walk is complete.
    pub(super) fn step(&mut self, directory: &Directory, locks: &Locks) -> io::Result<bool> {
        for _ in 0..FILES_PER_STEP {
            let Some(entry) = self.0.next() else {
                return Ok(true);
            };
            // One file that is gone or cannot be removed does not stop the walk.
            if let Err(error) = entry.and_then(|entry| sweep_file(&entry, directory, locks)) {
                log::debug!("cannot sweep a session file: {error}");
            }
        }
        Ok(false)
    }
}

fn sweep_file(entry: &DirEntry, directory: &Directory, locks: &Locks) -> io::Result<()> {
    let name = entry.file_name();
    let Some(name) = name.to_str() else {
        return Ok(());
    };
    if let Some(id) = name.strip_suffix(".session").and_then(|id| SessionId::parse(id).ok()) {
        return remove_expired(&entry.path(), &id, directory, locks);
    }
    if name.starts_with('.') && name.ends_with(".tmp") && is_stale(entry)? {
        fs::remove_file(entry.path())?;
    }
    Ok(())
}

fn remove_expired(
    path: &Path,
    id: &SessionId,
    directory: &Directory,
    locks: &Locks,
) -> io::Result<()> {
    if !has_expired(path, id)? {
        return Ok(());
    }
    // If a writer holds the lock, the file is left to that writer or to the next sweep.
    let Some(_guard) = locks.try_lock(directory.path(), id)? else {
        return Ok(());
    };
    // It may have been replaced before the lock was taken.
    if has_expired(path, id)? { fs::remove_file(path) } else { Ok(()) }
}

/// Returns whether a file is that of an expired session, by its first line. An unreadable file has
/// not expired.
fn has_expired(path: &Path, id: &SessionId) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut line = Vec::new();
    BufReader::with_capacity(MAX_FIRST_LINE as usize, File::open(path)?.take(MAX_FIRST_LINE))
        .read_until(b'\n', &mut line)?;
    let line = str::from_utf8(&line).ok().filter(|line| line.ends_with('\n'));
    let expires = line.and_then(|line| Expiry::parse(line, id).ok());
    Ok(expires.is_some_and(Expiry::is_past))
}

fn is_stale(entry: &DirEntry) -> io::Result<bool> {
    let age = entry.metadata()?.modified()?.elapsed();
    // A modification time in the future is not stale.
    Ok(age.is_ok_and(|age| age > STALE))
}
