//! Locks between the writers of one session, in this process and others.

#[cfg(unix)]
use std::fs::Metadata;
use std::{
    error, fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, ErrorKind},
    num::NonZero,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::{
    cancellation_token::CancellationToken,
    directory::{Directory, owner_only},
};
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
pub(super) struct Locks {
    queues: [Arc<Mutex<()>>; LOCK_COUNT],
    /// Limits how many threads write at once. More of them hinder each other: creating and renaming
    /// files changes the one directory.
    slots: Arc<Semaphore>,
    /// A bit for each lock file that cannot be used.
    unusable: AtomicU64,
}

/// The mutexes of some locks, held against other writers of this process, and a slot.
pub(super) struct ProcessGuard {
    mutexes: Vec<(usize, OwnedMutexGuard<()>)>,
    /// `None` once the writer has had to wait for another process, which may be stopped.
    slot: Option<OwnedSemaphorePermit>,
}

/// Some locks, held against every other writer.
///
/// The fields are dropped in order: the files are unlocked before the mutexes.
pub(super) struct LockGuard {
    files: Vec<File>,
    process: ProcessGuard,
}

/// A lock file that is there and cannot be used. Its sessions cannot be written, others can.
#[derive(Debug)]
pub(super) struct UnusableLock {
    number: usize,
    cause: io::Error,
}

impl Locks {
    pub(super) fn new() -> Self {
        let slots = thread::available_parallelism().map_or(2, NonZero::get).clamp(2, 8);
        Self {
            queues: std::array::from_fn(|_| Arc::default()),
            slots: Arc::new(Semaphore::new(slots)),
            unusable: AtomicU64::new(0),
        }
    }

    /// Checks that every lock file can be locked: one that cannot would fail for its sessions only.
    pub(super) fn probe(&self, directory: &Directory) -> io::Result<()> {
        for number in 0..LOCK_COUNT {
            match open_lock_file(directory, number)?.try_lock() {
                // Locked by another process, so it can be locked.
                Ok(()) | Err(TryLockError::WouldBlock) => {}
                Err(TryLockError::Error(cause)) => {
                    return Err(UnusableLock { number, cause }.into());
                }
            }
        }
        Ok(())
    }

    /// Waits until no other writer in this process holds the locks of these sessions, and there is
    /// a slot.
    pub(super) async fn lock_in_process(&self, ids: &[&SessionId]) -> ProcessGuard {
        let mut numbers: Vec<_> = ids.iter().map(|id| lock_number(id)).collect();
        // Always in the same order, to avoid deadlocks.
        numbers.sort_unstable();
        numbers.dedup();
        let mut mutexes = Vec::with_capacity(numbers.len());
        for number in numbers {
            mutexes.push((number, self.queues[number].clone().lock_owned().await));
        }
        ProcessGuard { mutexes, slot: self.slots.clone().acquire_owned().await.ok() }
    }

    /// Locks the lock files, too. Blocks this thread while another process holds one of them.
    ///
    /// # Errors
    ///
    /// If the operation is cancelled, or a file cannot be locked.
    pub(super) fn lock_files(
        &self,
        mut process: ProcessGuard,
        directory: &Directory,
        token: &CancellationToken,
    ) -> io::Result<LockGuard> {
        let mut files = Vec::with_capacity(process.mutexes.len());
        for (number, _) in &process.mutexes {
            let file = lock_file(directory, *number, token, || process.slot = None);
            self.report(*number, file.as_ref().err());
            files.push(file?);
        }
        Ok(LockGuard { files, process })
    }

    /// Locks a session, or returns `None` if another writer holds its lock.
    pub(super) fn try_lock(
        &self,
        directory: &Directory,
        id: &SessionId,
    ) -> io::Result<Option<LockGuard>> {
        let number = lock_number(id);
        let Ok(guard) = self.queues[number].clone().try_lock_owned() else {
            return Ok(None);
        };
        let file = try_lock_file(directory, number)?;
        let process = ProcessGuard { mutexes: vec![(number, guard)], slot: None };
        Ok(file.map(|file| LockGuard { files: vec![file], process }))
    }

    /// Logs that a lock file cannot be used, or can be used again, but not with every request.
    fn report(&self, number: usize, error: Option<&io::Error>) {
        let (bit, unusable) = (1 << number, self.unusable.load(Ordering::Relaxed));
        match error {
            None if unusable & bit == 0 => {}
            None => {
                self.unusable.fetch_and(!bit, Ordering::Relaxed);
                log::info!("lock file {} can be used again", name(number));
            }
            Some(error) if unusable & bit == 0 && is_unusable_lock(error) => {
                self.unusable.fetch_or(bit, Ordering::Relaxed);
                log::warn!("one session in {LOCK_COUNT} cannot be written: {error}");
            }
            Some(_) => {}
        }
    }
}

impl LockGuard {
    /// Returns whether the lock files are still those that other writers would lock.
    pub(super) fn is_current(&self, directory: &Directory) -> bool {
        let numbers = self.process.mutexes.iter().map(|(number, _)| *number);
        numbers.zip(&self.files).all(|(number, file)| is_at(&path(directory, number), file))
    }
}

/// Locks a file. Calls `on_wait` before it waits for another process.
///
/// Does not use `File::lock`, which cannot be cancelled while a stopped process holds the lock.
fn lock_file(
    directory: &Directory,
    number: usize,
    token: &CancellationToken,
    mut on_wait: impl FnMut(),
) -> io::Result<File> {
    let mut pause = SHORTEST_PAUSE;
    loop {
        if let Some(file) = try_lock_file(directory, number)? {
            return Ok(file);
        }
        token.check()?;
        on_wait();
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Locks a file unless another process holds it. It is opened anew for each attempt.
fn try_lock_file(directory: &Directory, number: usize) -> io::Result<Option<File>> {
    lock_if_current(directory, number, open_lock_file(directory, number)?)
}

/// Locks an open file. The lock counts only if it is still the file of its name: after the
/// directory was cleared, other processes lock a new one.
fn lock_if_current(directory: &Directory, number: usize, file: File) -> io::Result<Option<File>> {
    match file.try_lock() {
        Ok(()) => Ok(is_at(&path(directory, number), &file).then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

fn open_lock_file(directory: &Directory, number: usize) -> io::Result<File> {
    let path = path(directory, number);
    let mut options = OpenOptions::new();
    // Opening a pipe would wait for a reader, if it were not opened for reading, too.
    owner_only(&mut options).create(true).truncate(false).read(true).write(true);
    let file = directory.recreating(|| options.open(&path));
    file.and_then(|file| match file.metadata()?.is_file() {
        true => Ok(file),
        false => Err(io::Error::other("not a file")),
    })
    .map_err(|cause| match fs::symlink_metadata(&path) {
        Ok(found) if !found.is_file() || cause.kind() == ErrorKind::PermissionDenied => {
            UnusableLock { number, cause }.into()
        }
        _ => cause,
    })
}

fn path(directory: &Directory, number: usize) -> PathBuf {
    directory.path().join(name(number))
}

fn name(number: usize) -> String {
    format!(".lock-{number:02}")
}

/// Returns whether a file is the one at a path.
#[cfg(unix)]
fn is_at(path: &Path, file: &File) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let identity = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let found = fs::metadata(path).map(identity).ok();
    found.is_some() && found == file.metadata().map(identity).ok()
}

#[cfg(not(unix))]
fn is_at(path: &Path, _: &File) -> bool {
    path.exists()
}

fn is_unusable_lock(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<UnusableLock>())
}

/// The text names the file, but not its path, so it is safe in an answer.
impl fmt::Display for UnusableLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, cause) = (name(self.number), &self.cause);
        write!(f, "lock file {name}: {cause}; remove it, or give it to the user of this process")
    }
}

impl error::Error for UnusableLock {}

impl From<UnusableLock> for io::Error {
    fn from(lock: UnusableLock) -> Self {
        Self::new(lock.cause.kind(), lock)
    }
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
mod tests;
