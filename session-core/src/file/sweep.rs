//! Removing expired sessions and abandoned temporary files.

use std::{
    fs::{self, DirEntry, File, Metadata, ReadDir},
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::{task::spawn_blocking, time::sleep};

use super::{
    cancellation_token::CancellationToken,
    clock::Judge,
    directory::{Directory, Entry},
    lock::Locks,
    permit::Permit,
    record::{Record, Timestamp},
};
use crate::SessionId;

/// The length of a step, so that none delays a shutdown, and of the pause after it, in which
/// requests have the processor and the disk.
const STEP: Duration = Duration::from_millis(1);
const PAUSE: Duration = Duration::from_millis(4);

/// The part of the time that looking at living sessions may take, and the longest rest for it.
const DUTY: u32 = 100;
const LONGEST_REST: Duration = Duration::from_secs(3600);
/// A walk that takes less needs no rest.
const SHORT_WALK: Duration = Duration::from_millis(100);

/// The age from which a temporary file is abandoned: no running writer takes this long.
const STALE: Duration = Duration::from_secs(60);

/// An upper bound on the length of a first line, in bytes.
const MAX_FIRST_LINE: u64 = 512;

/// The most by which a modification time differs from the expiry that it shows. Some file systems
/// store it in steps of two seconds.
const PRECISION: Duration = Duration::from_secs(2);

/// Walks through the directory again and again.
#[derive(Default)]
pub(super) struct Sweeper {
    // A std mutex: held for an assignment.
    rests_until: Mutex<Option<Instant>>,
}

/// What a walk through the directory has done.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Walked {
    pub(super) files: usize,
    pub(super) opened: usize,
    pub(super) removed: usize,
    pub(super) time: Duration,
}

impl Sweeper {
    /// Walks through the directory, unless it rests.
    pub(super) async fn sweep(
        &self,
        directory: &Arc<Directory>,
        locks: &Arc<Locks>,
    ) -> io::Result<Walked> {
        if self.rests_until().is_some_and(|end| Instant::now() < end) {
            return Ok(Walked::default());
        }
        let (mut entries, mut walked) = (None, Walked::default());
        loop {
            let (directory, locks) = (directory.clone(), locks.clone());
            let step = spawn_blocking(move || {
                let entries = match entries {
                    Some(entries) => entries,
                    None => directory.recreating(|| fs::read_dir(directory.path()))?,
                };
                Ok(Step { directory: &directory, locks: &locks, walked }.run(entries))
            });
            let ended = |_| Err(io::Error::other("the runtime is shutting down"));
            (entries, walked) = step.await.unwrap_or_else(ended)?;
            if entries.is_none() {
                *self.rests_until() = walked.rest().map(|rest| Instant::now() + rest);
                return Ok(walked);
            }
            sleep(PAUSE).await;
        }
    }

    fn rests_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.rests_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Walked {
    /// Returns how long to rest after a walk. Removing files needs no rest: they are no more than
    /// were created.
    pub(super) fn rest(&self) -> Option<Duration> {
        let kept = self.files - self.removed;
        let time = self.time.mul_f64(kept as f64 / self.files.max(1) as f64);
        (time >= SHORT_WALK).then(|| (time * DUTY).min(LONGEST_REST))
    }
}

/// A short part of a walk.
struct Step<'a> {
    directory: &'a Directory,
    locks: &'a Locks,
    walked: Walked,
}

impl Step<'_> {
    /// Examines the next files. Returns the rest of them, unless there are none left.
    fn run(mut self, mut entries: ReadDir) -> (Option<ReadDir>, Walked) {
        let (start, judge) = (Instant::now(), self.directory.clock().judge());
        let is_over = loop {
            let Some(entry) = entries.next() else { break true };
            self.walked.files += 1;
            // One file that is gone or cannot be removed does not stop the walk.
            if let Err(error) = entry.and_then(|entry| self.sweep_file(&entry, &judge)) {
                log::debug!("cannot sweep a session file: {error}");
            }
            if start.elapsed() >= STEP {
                break false;
            }
        };
        self.walked.time += start.elapsed();
        ((!is_over).then_some(entries), self.walked)
    }

    fn sweep_file(&mut self, entry: &DirEntry, judge: &Judge) -> io::Result<()> {
        let name = entry.file_name();
        let Some(name) = name.to_str() else {
            return Ok(());
        };
        if let Some(id) = name.strip_suffix(".session").and_then(SessionId::of_store) {
            return self.sweep_session(entry, &id, judge);
        }
        if name.starts_with('.') && name.ends_with(".tmp") {
            let modified = Timestamp::from(entry.metadata()?.modified()?);
            if judge.has_passed(modified.after(STALE)) {
                fs::remove_file(entry.path())?;
                self.walked.removed += 1;
            }
        }
        Ok(())
    }

    /// Examines a session's file. Opens it only if its modification time, which shows when it
    /// expires, has passed.
    fn sweep_session(&mut self, entry: &DirEntry, id: &SessionId, judge: &Judge) -> io::Result<()> {
        let metadata = entry.metadata()?;
        let shown = Timestamp::from(metadata.modified()?);
        if let Some(written) = written(&metadata).filter(|written| judge.was_ahead(*written)) {
            return self.shorten(id, written);
        }
        if shown > judge.now() {
            return Ok(());
        }
        let Some((file, expires)) = self.open(&entry.path(), id)? else {
            return Ok(());
        };
        if !judge.has_passed(expires) {
            // Written by hand or by an older version: the next sweep need not open it.
            if expires.since(shown) > PRECISION {
                self.directory.show_expiry(&file, expires);
            }
            return Ok(());
        }
        // If a writer holds the lock, the file is left to that writer or to the next sweep.
        let Some(_guard) = self.locks.try_lock(self.directory, id)? else {
            return Ok(());
        };
        // It may have been replaced before the lock was taken.
        let expires = self.open(&entry.path(), id)?;
        if expires.is_some_and(|(_, expires)| judge.has_passed(expires)) {
            fs::remove_file(entry.path())?;
            self.walked.removed += 1;
        }
        Ok(())
    }

    /// Leaves a session that was written while the clock was ahead the time to live that it was
    /// given then, counted from now.
    fn shorten(&mut self, id: &SessionId, written: Timestamp) -> io::Result<()> {
        let Some(guard) = self.locks.try_lock(self.directory, id)? else {
            return Ok(());
        };
        self.walked.opened += 1;
        if let Entry::Session(record) | Entry::Marker(record) = self.directory.read(id)? {
            let expires = self.directory.expiry(record.expires.since(written));
            let permit = Permit::new(CancellationToken::never(), guard);
            self.directory.write(id, &Record { expires, ..record }, &permit)?;
        }
        Ok(())
    }

    /// Opens a file and reads when its session expires. `None` if it is not that of a session.
    fn open(&mut self, path: &Path, id: &SessionId) -> io::Result<Option<(File, Timestamp)>> {
        if !fs::metadata(path)?.is_file() {
            return Ok(None);
        }
        let file = File::open(path)?;
        self.walked.opened += 1;
        let mut line = Vec::new();
        BufReader::with_capacity(MAX_FIRST_LINE as usize, (&file).take(MAX_FIRST_LINE))
            .read_until(b'\n', &mut line)?;
        let line = str::from_utf8(&line).ok().filter(|line| line.ends_with('\n'));
        let expires = line.and_then(|line| Timestamp::parse_expiry(line, id).ok());
        Ok(expires.map(|expires| (file, expires)))
    }
}

/// Returns when a file was written: the time of its last change, which cannot be set.
#[cfg(unix)]
fn written(metadata: &Metadata) -> Option<Timestamp> {
    use std::os::unix::fs::MetadataExt as _;
    let (seconds, nanos) = (metadata.ctime().try_into().ok()?, metadata.ctime_nsec() as u32);
    Some(Timestamp::EPOCH.after(Duration::new(seconds, nanos)))
}

#[cfg(not(unix))]
fn written(_: &Metadata) -> Option<Timestamp> {
    None
}
