//! The files themselves. Everything here blocks.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, ErrorKind, Read as _, Write as _},
    path::{Path, PathBuf},
};

use super::{
    caller::Caller,
    record::{Fault, Record},
};
use crate::SessionId;

/// From this many bytes on it takes long to read a file and to check what stands in it.
const LARGE: u32 = 256 * 1024;

pub(super) struct Directory {
    path: PathBuf,
}

/// What is at an id.
pub(super) enum Found {
    /// No file, or one of a session that has expired.
    Free,
    Session(Record),
    /// Something that is no session, to be left alone.
    Unreadable,
}

impl Found {
    pub(super) fn session(self) -> Option<Record> {
        match self {
            Self::Session(record) => Some(record),
            Self::Free | Self::Unreadable => None,
        }
    }
}

impl Directory {
    /// Creates the directory if it is missing, and tries to write a file in it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        create(path).map_err(|error| match error.kind() {
            // What the system says is "file exists".
            ErrorKind::AlreadyExists => ErrorKind::NotADirectory.into(),
            _ => error,
        })?;
        // Ids are secrets, and file names here.
        if is_open_to_others(path)? {
            log::warn!("session directory {} can be read by others", path.display());
        }
        let directory = Self { path: path.to_owned() };
        let (probe, _) = directory.temporary()?;
        fs::remove_file(probe)?;
        Ok(directory)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn file(&self, id: &SessionId) -> PathBuf {
        self.path.join(format!("{}.session", id.as_str()))
    }

    /// Reads what is at an id; logs it if that is no session.
    pub(super) fn read(&self, id: &SessionId) -> io::Result<Found> {
        self.read_among(id, || ())
    }

    /// The same; says so before it does what takes long, since others may wait for this thread.
    pub(super) fn read_among(&self, id: &SessionId, before_long: impl Fn()) -> io::Result<Found> {
        let content = |path: &Path| content(path, &before_long);
        let content = match content(&self.file(id)) {
            Ok(content) => content,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                // A directory that has gone is a failure, not a directory without sessions.
                fs::metadata(&self.path)?;
                // It may have been away for the first look only.
                match content(&self.file(id)) {
                    Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Found::Free),
                    content => content?,
                }
            }
            Err(error) => return Err(error),
        };
        match content.and_then(|content| Record::parse(&content, id)) {
            Ok(Some(record)) => Ok(Found::Session(record)),
            Ok(None) => Ok(Found::Free),
            Err(fault) => {
                log::warn!("the file of session {id:?} counts as no session: {fault}");
                Ok(Found::Unreadable)
            }
        }
    }

    /// Replaces a session's file in one step, or leaves everything as it is.
    pub(super) fn write(&self, id: &SessionId, record: &Record, caller: &Caller) -> io::Result<()> {
        let (temporary, mut file) = self.temporary()?;
        let written = file
            .write_all(record.to_text(id).as_bytes())
            .and_then(|()| caller.check())
            .and_then(|()| fs::rename(&temporary, self.file(id)));
        if written.is_err() {
            // If this fails, too, the sweep finds it.
            let _ = fs::remove_file(&temporary);
        }
        written
    }

    pub(super) fn remove(&self, id: &SessionId, caller: &Caller) -> io::Result<()> {
        caller.check()?;
        fs::remove_file(self.file(id))
    }

    /// Creates a file that no other writer has, in any process.
    fn temporary(&self) -> io::Result<(PathBuf, File)> {
        let path = self.path.join(format!(".{}.tmp", SessionId::random().as_str()));
        let mut options = OpenOptions::new();
        let file = owner_only(&mut options).create_new(true).write(true).open(&path)?;
        Ok((path, file))
    }
}

/// Reads a file, if it is one: opening a pipe would wait for a writer.
fn content(path: &Path, before_long: impl Fn()) -> io::Result<Result<Vec<u8>, Fault>> {
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
        before_long();
        fs::read(path)
    };
    match read {
        // Of this file alone: that it is there could be asked.
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(Err(Fault::Forbidden)),
        content => content.map(Ok),
    }
}

/// Reads a file of about this size in one step.
fn read_small(path: &Path, size: usize) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    // A byte more than there should be shows that there is no more.
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
            // It has grown.
            content.truncate(length);
            file.read_to_end(&mut content)?;
            return Ok(content);
        }
    }
    content.truncate(length);
    Ok(content)
}

/// Sets that a new file may be read and written by its owner and nobody else.
pub(super) fn owner_only(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn create(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.recursive(true).create(path)
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

#[cfg(not(unix))]
fn is_open_to_others(_: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use super::{super::record::Expiry, *};
    use crate::Snapshot;

    #[test]
    fn a_file_is_read_whole_although_its_size_has_changed() {
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
    fn only_a_large_file_is_said_to_take_long() {
        let place = tempfile::tempdir().unwrap();
        let directory = Directory::open(place.path()).unwrap();
        let id = SessionId::random();
        for (length, expected) in [(1, 0), (LARGE as usize, 1)] {
            let text = format!(r#"{{"a":"{}"}}"#, "x".repeat(length));
            let items = Snapshot::parse(text).unwrap().unwrap();
            let record = Record { expires: Expiry::after(Duration::from_secs(60)), items };
            directory.write(&id, &record, &Caller::patient()).unwrap();
            let said = Cell::new(0);
            let found = directory.read_among(&id, || said.set(said.get() + 1)).unwrap();
            assert_eq!(found.session(), Some(record));
            assert_eq!(said.get(), expected);
        }
    }
}
