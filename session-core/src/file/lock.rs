//! Locks between the writers of one session, in this process and others.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{cancellation_token::CancellationToken, directory::owner_only};
use crate::SessionId;

/// A fixed number of lock files, so that none has to be removed. Sessions that share one wait for
/// each other, nothing more.
const LOCK_COUNT: usize = 64;

/// The pause between two attempts at a lock that another process holds. A write takes about 0.1 ms.
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// 64 locks, each shared by every 64th session: a lock file and a queue.
///
/// The lock files exclude other processes. They are separate from the data files, since a lock on
/// a data file would stay with the file that a rename replaces. Writers of this process first queue
/// in order on Tokio's mutexes, so that waiting needs no thread.
pub(super) struct Locks([Arc<Mutex<()>>; LOCK_COUNT]);

/// The mutexes of some locks, held against other writers of this process.
pub(super) struct ProcessGuard(Vec<(usize, OwnedMutexGuard<()>)>);

/// Some locks, held against every other writer.
///
/// The fields are dropped in order: the files are unlocked before the mutexes.
pub(super) struct LockGuard {
    _files: Vec<File>,
    _process: ProcessGuard,
}

impl Locks {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Arc::default()))
    }

    /// Checks that files in `dir` can be locked.
    pub(super) fn probe(&self, dir: &Path) -> io::Result<()> {
        match open_lock_file(dir, 0)?.try_lock() {
            // Locked by another process, so it can be locked.
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits until no other writer in this process holds the locks of these sessions.
    pub(super) async fn lock_in_process(&self, ids: &[&SessionId]) -> ProcessGuard {
        let mut numbers: Vec<_> = ids.iter().map(|id| lock_number(id)).collect();
        // Always in the same order, to avoid deadlocks.
        numbers.sort_unstable();
        numbers.dedup();
        let mut guards = Vec::with_capacity(numbers.len());
        for number in numbers {
            guards.push((number, self.0[number].clone().lock_owned().await));
        }
        ProcessGuard(guards)
    }

    /// Locks a session, or returns `None` if another writer holds its lock.
    pub(super) fn try_lock(&self, dir: &Path, id: &SessionId) -> io::Result<Option<LockGuard>> {
        let number = lock_number(id);
        let Ok(guard) = self.0[number].clone().try_lock_owned() else {
            return Ok(None);
        };
        let file = open_lock_file(dir, number)?;
        match file.try_lock() {
            Ok(()) => {
                let process = ProcessGuard(vec![(number, guard)]);
                Ok(Some(LockGuard { _files: vec![file], _process: process }))
            }
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl ProcessGuard {
    /// Locks the lock files. Blocks this thread while another process holds one of them.
    ///
    /// # Errors
    ///
    /// If the operation is cancelled, or a file cannot be locked.
    pub(super) fn lock_files(self, dir: &Path, token: &CancellationToken) -> io::Result<LockGuard> {
        let mut files = Vec::with_capacity(self.0.len());
        for (number, _) in &self.0 {
            files.push(lock_file(open_lock_file(dir, *number)?, token)?);
        }
        Ok(LockGuard { _files: files, _process: self })
    }
}

/// Locks a file.
///
/// Does not use `File::lock`, which cannot be cancelled while a stopped process holds the lock.
fn lock_file(file: File, token: &CancellationToken) -> io::Result<File> {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => token.check()?,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Opens a lock file.
///
/// Opened anew for each use, so that all processes lock the same file even after the directory was
/// removed and created again.
fn open_lock_file(dir: &Path, number: usize) -> io::Result<File> {
    let mut options = OpenOptions::new();
    owner_only(&mut options).create(true).truncate(false).write(true);
    options.open(dir.join(format!(".lock-{number:02}")))
}

/// Returns the number of a session's lock: the FNV-1a hash of its id, the same in every build.
///
/// Ids are hashed in lower case, because a file system that ignores case gives two ids that differ
/// only in case the same file.
fn lock_number(id: &SessionId) -> usize {
    let hash = id.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % LOCK_COUNT as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> SessionId {
        SessionId::parse(text).unwrap()
    }

    #[test]
    fn a_session_has_the_same_lock_in_every_build() {
        // FNV-1a of "a" is af63dc4c8601ec8c.
        assert_eq!(lock_number(&id("a")), 0x8c % 64);
        assert_eq!(lock_number(&id("A")), lock_number(&id("a")));
        // FNV-1a of "foobar" is 85944171f73967e8.
        assert_eq!(lock_number(&id("foobar")), 0xe8 % 64);
    }

    #[test]
    fn random_ids_use_all_locks() {
        let numbers = (0..2_000).map(|_| lock_number(&SessionId::random()));
        assert_eq!(numbers.collect::<std::collections::BTreeSet<_>>().len(), LOCK_COUNT);
    }

    #[tokio::test]
    async fn a_lock_that_two_sessions_share_is_taken_once() {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::new();
        let guard = locks.lock_in_process(&[&id("a"), &id("A")]).await;
        let guard = guard.lock_files(dir.path(), &CancellationToken::never()).unwrap();
        assert!(locks.try_lock(dir.path(), &id("a")).unwrap().is_none());
        drop(guard);
        assert!(locks.try_lock(dir.path(), &id("a")).unwrap().is_some());
    }

    #[tokio::test]
    async fn cancelling_ends_the_wait_for_another_process() {
        let dir = tempfile::tempdir().unwrap();
        // A second `Locks` on the same files acts as another process.
        let _other = Locks::new().try_lock(dir.path(), &id("a")).unwrap().unwrap();
        let guard = Locks::new().lock_in_process(&[&id("a")]).await;
        let (token, cancel) = CancellationToken::new();
        let path = dir.path().to_owned();
        let thread = thread::spawn(move || guard.lock_files(&path, &token).map(drop));
        thread::sleep(Duration::from_millis(20));
        assert!(!thread.is_finished());
        drop(cancel);
        assert!(thread.join().unwrap().is_err());
    }
}
