//! The session files. Every function here blocks.

use std::{
    fs::{self, DirBuilder, File, FileTimes, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::{
    clock::Clock,
    permit::Permit,
    record::{Fault, Record, Timestamp},
};
use crate::{MAX_TTL, SessionId, Snapshot};

/// The size in bytes from which reading and parsing a file takes long.
const LARGE: u32 = 256 * 1024;

/// A directory of session files.
pub(super) struct Directory {
    path: PathBuf,
    clock: Clock,
}

/// The state of an id.
pub(super) enum Entry {
    /// No file, or that of an expired session.
    Vacant,
    Session(Record),
    /// The marker of a renewed id.
    Marker(Record),
    /// Not a session; must be left as it is.
    Unreadable,
}

impl Entry {
    pub(super) fn into_session(self) -> Option<Record> {
        match self {
            Self::Session(record) => Some(record),
            Self::Marker(_) | Self::Vacant | Self::Unreadable => None,
        }
    }

    /// Returns the items of a session or marker.
    pub(super) fn into_snapshot(self) -> Option<Snapshot> {
        match self {
            Self::Session(record) | Self::Marker(record) => Some(record.items),
            Self::Vacant | Self::Unreadable => None,
        }
    }
}

impl Directory {
    /// Opens a directory, which is created if it is missing, and checks that it is writable.
    pub(super) fn open(path: &Path, clock: Clock) -> io::Result<Self> {
        // The system's own message is "file exists" if it is not a directory.
        create(path, true).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => ErrorKind::NotADirectory.into(),
            kind => io::Error::new(kind, format!("it cannot be created: {error}")),
        })?;
        // The file names contain the ids, which are secrets.
        if is_accessible_to_others(path)? {
            log::warn!("session directory {} is accessible to other users", path.display());
        }
        if let Ok(modified) = fs::metadata(path).and_then(|directory| directory.modified()) {
            clock.was_used(modified.into());
        }
        let directory = Self { path: path.to_owned(), clock };
        let probe = directory.create_temporary().and_then(|(probe, _)| fs::remove_file(probe));
        probe.map_err(|error| {
            io::Error::new(error.kind(), format!("files in it cannot be created: {error}"))
        })?;
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Returns when a session expires that is written now.
    pub(super) fn expiry(&self, ttl: Duration) -> Timestamp {
        self.clock.now().after(ttl)
    }

    /// Runs an operation, and runs it again if the directory was missing and could be created.
    pub(super) fn recreating<T>(&self, operation: impl Fn() -> io::Result<T>) -> io::Result<T> {
        match operation() {
            Err(error) if error.kind() == ErrorKind::NotFound && self.recreate()? => operation(),
            result => result,
        }
    }

    /// Creates the directory if it was removed. Returns whether it was.
    ///
    /// Its parent is not created: the disk that is mounted there may be away.
    fn recreate(&self) -> io::Result<bool> {
        match fs::metadata(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            found => return found.map(|_| false),
        }
        match create(&self.path, false) {
            Ok(()) => {
                let path = self.path.display();
                log::warn!("session directory {path} was removed with its sessions; created anew");
                Ok(true)
            }
            // Another process was faster, or it is a link to a directory that was removed.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                fs::metadata(&self.path).map(|_| true)
            }
            Err(error) => Err(error),
        }
    }

    fn file(&self, id: &SessionId) -> PathBuf {
        self.path.join(format!("{}.session", id.as_str()))
    }

    /// Reads an entry. Logs a warning if it is unreadable.
    pub(super) fn read(&self, id: &SessionId) -> io::Result<Entry> {
        self.read_with(id, || ())
    }

    /// Reads an entry like [`read`](Self::read), and calls `before_large` before it reads a large
    /// file, since other reads may wait for this thread.
    pub(super) fn read_with(&self, id: &SessionId, before_large: impl Fn()) -> io::Result<Entry> {
        let read_content = || read_content(&self.file(id), &before_large);
        let content = match read_content() {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // A directory that cannot be created is a failure, not one without sessions.
                self.recreate()?;
                // The directory may have been missing during the first attempt only.
                match read_content() {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Entry::Vacant),
                    content => content?,
                }
            }
            Err(error) => return Err(error),
        };
        match content.and_then(|content| Record::parse(&content, id, self.clock.now())) {
            Ok(Some(record)) if record.items.is_marker() => Ok(Entry::Marker(record)),
            Ok(Some(record)) => Ok(Entry::Session(record)),
            Ok(None) => Ok(Entry::Vacant),
            Err(fault) => {
                log::warn!("the file of session {id:?} counts as no session: {fault}");
                Ok(Entry::Unreadable)
            }
        }
    }

    /// Creates or replaces a session's file in one atomic step. A failure changes nothing.
    ///
    /// The file's modification time becomes the expiry, so that the sweep need not open it.
    pub(super) fn write(&self, id: &SessionId, record: &Record, permit: &Permit) -> io::Result<()> {
        let (temporary, mut file) = self.create_temporary()?;
        let written = file
            .write_all(record.to_text(id).as_bytes())
            .map(|()| self.show_expiry(&file, record.expires))
            .and_then(|()| permit.check(self))
            .and_then(|()| fs::rename(&temporary, self.file(id)));
        if written.is_err() {
            // If this fails too, the sweep removes the file.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    pub(super) fn remove(&self, id: &SessionId, permit: &Permit) -> io::Result<()> {
        permit.check(self)?;
        fs::remove_file(self.file(id))
    }

    /// Sets a file's modification time to the expiry of its session.
    pub(super) fn show_expiry(&self, file: &File, expires: Timestamp) {
        let shown = expires.min(self.expiry(MAX_TTL));
        // Later than the modification time, or the system would set it with every read.
        let accessed = SystemTime::from(shown.after(Duration::from_secs(2)));
        let times = FileTimes::new().set_modified(shown.into()).set_accessed(accessed);
        // Where this is impossible, the sweep opens the file.
        let _ = file.set_times(times);
    }

    /// Creates a temporary file of a unique name.
    fn create_temporary(&self) -> io::Result<(PathBuf, File)> {
        let path = self.path.join(format!(".{}.tmp", SessionId::random().as_str()));
        let mut options = OpenOptions::new();
        let file = owner_only(&mut options).create_new(true).write(true).open(&path)?;
        Ok((path, file))
    }
}

/// Reads a file's content.
///
/// Anything but a regular file is not opened: opening a pipe would wait for a writer.
fn read_content(path: &Path, before_large: impl Fn()) -> io::Result<Result<Vec<u8>, Fault>> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Ok(Err(Fault::NotAFile));
    }
    let Ok(size) = u32::try_from(metadata.len()) else {
        return Ok(Err(Fault::TooLarge));
    };
    let read = if size < LARGE {
        read_small(path, size as usize)
    } else {
        before_large();
        fs::read(path)
    };
    match read {
        // The directory is accessible, or reading the metadata would have failed.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(Err(Fault::Forbidden)),
        content => content.map(Ok),
    }
}

/// Reads a file of about `size` bytes, with one read call if the size is exact.
fn read_small(path: &Path, size: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    // One byte more than expected: a read that fills it shows that the file has grown.
    let mut content = vec![0; size + 1];
    let mut length = 0;
    while length != size {
        match file.read(&mut content[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
        if length > size {
            content.truncate(length);
            file.read_to_end(&mut content)?;
            return Ok(content);
        }
    }
    content.truncate(length);
    Ok(content)
}

/// Makes new files readable and writable by their owner only.
pub(super) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

/// Creates a directory for its owner only; with its missing parents if `recursive`.
fn create(path: &Path, recursive: bool) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(recursive).create(path)
}

#[cfg(unix)]
fn is_accessible_to_others(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_accessible_to_others(_: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::{
        super::{cancellation_token::CancellationToken, lock::Locks},
        *,
    };
    use crate::Snapshot;

    #[test]
    fn a_file_whose_size_has_changed_is_read_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for length in [0, 1, 100, 5000] {
            let text: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
            fs::write(file.path(), &text).unwrap();
            for size in [length, length + 1, length / 2 + 1, 2 * length + 7] {
                assert_eq!(read_small(file.path(), size).unwrap(), text, "{length} as {size}");
            }
        }
    }

    #[test]
    fn only_a_large_file_is_announced() {
        let dir = tempfile::tempdir().unwrap();
        let directory = Directory::open(dir.path(), Clock::of_the_machine()).unwrap();
        let id = SessionId::random();
        let guard = Locks::new().try_lock(&directory, &id).unwrap().unwrap();
        let permit = Permit::new(CancellationToken::never(), guard);
        for (length, expected) in [(1, 0), (LARGE as usize, 1)] {
            let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(length));
            let items = Snapshot::parse(text).unwrap().unwrap();
            let record = Record { expires: directory.expiry(Duration::from_secs(60)), items };
            directory.write(&id, &record, &permit).unwrap();
            let calls = Cell::new(0);
            let entry = directory.read_with(&id, || calls.set(calls.get() + 1)).unwrap();
            assert_eq!(entry.into_session(), Some(record));
            assert_eq!(calls.get(), expected);
        }
    }
}
