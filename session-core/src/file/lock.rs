//! Writers of one session exclude each other.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io,
    path::Path,
    sync::Arc,
    thread,
    time::Duration,
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{caller::Caller, directory::owner_only};
use crate::SessionId;

/// A fixed set, so that locks need no clearing away. Two sessions that share one merely wait
/// for each other.
const COUNT: usize = 64;

/// Between two attempts at a lock that another process holds. Writing takes about 0.1 ms.
const SHORTEST_PAUSE: Duration = Duration::from_micros(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(5);

/// One lock file and one queue for every 64th of the sessions.
///
/// The lock files exclude other processes. They are never the data files, since a lock would
/// stay with the file that a rename replaces. Within this process writers queue, in order, on
/// Tokio's mutexes first, so that waiting costs no thread.
pub(super) struct Locks([Arc<Mutex<()>>; COUNT]);

/// The right to lock some lock files, as far as this process is concerned.
pub(super) struct Turns(Vec<(usize, OwnedMutexGuard<()>)>);

/// Locks that are held. The files come first: they are let go of before the turns are.
pub(super) struct Held {
    _files: Vec<File>,
    _turns: Turns,
}

impl Locks {
    pub(super) fn new() -> Self {
        Self(std::array::from_fn(|_| Arc::default()))
    }

    /// Finds out whether files in `dir` can be locked at all.
    pub(super) fn probe(&self, dir: &Path) -> io::Result<()> {
        match open(dir, 0)?.try_lock() {
            // Somebody else holds it, so it can be locked.
            Ok(()) | Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Waits until no other writer of these sessions is at work in this process.
    pub(super) async fn turns(&self, ids: &[&SessionId]) -> Turns {
        let mut numbers: Vec<_> = ids.iter().map(|id| number(id)).collect();
        // Always in the same order, so that nobody waits for one who waits for them.
        numbers.sort_unstable();
        numbers.dedup();
        let mut turns = Vec::with_capacity(numbers.len());
        for number in numbers {
            turns.push((number, self.0[number].clone().lock_owned().await));
        }
        Turns(turns)
    }

    /// Locks a session, unless somebody else is at work on it.
    pub(super) fn try_lock(&self, dir: &Path, id: &SessionId) -> io::Result<Option<Held>> {
        let number = number(id);
        let Ok(turn) = self.0[number].clone().try_lock_owned() else {
            return Ok(None);
        };
        let file = open(dir, number)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Held { _files: vec![file], _turns: Turns(vec![(number, turn)]) })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

impl Turns {
    /// Locks the lock files; waits, on this thread, while another process holds one.
    ///
    /// # Errors
    ///
    /// If the caller gives up, or a file cannot be locked.
    pub(super) fn lock(self, dir: &Path, caller: &Caller) -> io::Result<Held> {
        let mut files = Vec::with_capacity(self.0.len());
        for (number, _) in &self.0 {
            files.push(lock(open(dir, *number)?, caller)?);
        }
        Ok(Held { _files: files, _turns: self })
    }
}

/// Not `File::lock`, which cannot be given up while a stopped process holds the lock.
fn lock(file: File, caller: &Caller) -> io::Result<File> {
    let mut pause = SHORTEST_PAUSE;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => caller.check()?,
            Err(TryLockError::Error(error)) => return Err(error),
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Opened anew for each use, so that a directory that was removed and made again, by whomever,
/// is locked by all processes alike.
fn open(dir: &Path, number: usize) -> io::Result<File> {
    let mut options = OpenOptions::new();
    owner_only(&mut options).create(true).truncate(false).write(true);
    options.open(dir.join(format!(".lock-{number:02}")))
}

/// The same in every process, whatever it was built with: FNV-1a.
///
/// In lower case, because a file system may take two such ids for one.
fn number(id: &SessionId) -> usize {
    let hash = id.as_str().bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte.to_ascii_lowercase())).wrapping_mul(0x0100_0000_01b3)
    });
    (hash % COUNT as u64) as usize
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
        assert_eq!(number(&id("a")), 0x8c % 64);
        assert_eq!(number(&id("A")), number(&id("a")));
        // Of "foobar" 85944171f73967e8.
        assert_eq!(number(&id("foobar")), 0xe8 % 64);
    }

    #[test]
    fn random_ids_use_all_locks() {
        let numbers = (0..2_000).map(|_| number(&SessionId::random()));
        assert_eq!(numbers.collect::<std::collections::BTreeSet<_>>().len(), COUNT);
    }

    #[tokio::test]
    async fn sessions_that_share_a_lock_are_locked_once() {
        let dir = tempfile::tempdir().unwrap();
        let locks = Locks::new();
        let turns = locks.turns(&[&id("a"), &id("A")]).await;
        let held = turns.lock(dir.path(), &Caller::patient()).unwrap();
        assert!(locks.try_lock(dir.path(), &id("a")).unwrap().is_none());
        drop(held);
        assert!(locks.try_lock(dir.path(), &id("a")).unwrap().is_some());
    }

    #[tokio::test]
    async fn waiting_for_another_process_ends_when_the_caller_gives_up() {
        let dir = tempfile::tempdir().unwrap();
        // Another set of locks on the same files is what another process has.
        let _other = Locks::new().try_lock(dir.path(), &id("a")).unwrap().unwrap();
        let turns = Locks::new().turns(&[&id("a")]).await;
        let (caller, waiting) = Caller::new();
        let path = dir.path().to_owned();
        let thread = thread::spawn(move || turns.lock(&path, &caller).map(drop));
        thread::sleep(Duration::from_millis(20));
        assert!(!thread.is_finished());
        drop(waiting);
        assert!(thread.join().unwrap().is_err());
    }
}
