//! Clearing away what nobody needs any more.

use std::{
    fs::{self, DirEntry, File, ReadDir},
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
    time::Duration,
};

use super::{directory::Directory, lock::Locks, record::Expiry};
use crate::SessionId;

/// Files looked at in one step, which takes about a millisecond.
const STEP: usize = 100;

/// No writer that is alive takes this long.
const STALE: Duration = Duration::from_secs(60);

/// More than any first line has.
const FIRST_LINE: u64 = 512;

/// A walk through the directory, in steps so that none blocks a shutdown.
pub(super) struct Sweep(ReadDir);

impl Sweep {
    pub(super) fn start(directory: &Directory) -> io::Result<Self> {
        fs::read_dir(directory.path()).map(Self)
    }

    /// Goes on for some files; returns whether these were the last.
    pub(super) fn step(&mut self, directory: &Directory, locks: &Locks) -> io::Result<bool> {
        for _ in 0..STEP {
            let Some(entry) = self.0.next() else {
                return Ok(true);
            };
            // A file that has gone or cannot be removed does not keep the others.
            if let Err(error) = entry.and_then(|entry| sweep(&entry, directory, locks)) {
                log::debug!("cannot sweep a session file: {error}");
            }
        }
        Ok(false)
    }
}

fn sweep(entry: &DirEntry, directory: &Directory, locks: &Locks) -> io::Result<()> {
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
    // While somebody is at work on it, it is left to them or to the next sweep.
    let Some(_held) = locks.try_lock(directory.path(), id)? else {
        return Ok(());
    };
    // It may have been renewed before the lock was held.
    if has_expired(path, id)? { fs::remove_file(path) } else { Ok(()) }
}

/// Reads the first line only. What is unreadable has not expired.
fn has_expired(path: &Path, id: &SessionId) -> io::Result<bool> {
    if !fs::metadata(path)?.is_file() {
        return Ok(false);
    }
    let mut line = Vec::new();
    BufReader::with_capacity(FIRST_LINE as usize, File::open(path)?.take(FIRST_LINE))
        .read_until(b'\n', &mut line)?;
    let line = str::from_utf8(&line).ok().filter(|line| line.ends_with('\n'));
    let expires = line.and_then(|line| Expiry::parse(line, id).ok());
    Ok(expires.is_some_and(Expiry::is_past))
}

fn is_stale(entry: &DirEntry) -> io::Result<bool> {
    let age = entry.metadata()?.modified()?.elapsed();
    // A time in the future is no age.
    Ok(age.is_ok_and(|age| age > STALE))
}
