//! The crate's error types.

use std::{error, fmt};

/// A [`Result`](std::result::Result) whose error defaults to [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why an operation on a session or a storage failed.
///
/// Every error is safe to log: neither its text nor its [`source`](error::Error::source) contains
/// an item's value or a whole session id.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The session has been closed, and its response sent.
    Closed,
    /// The session existed and has ended, by a logout elsewhere or by expiry. Later changes to it
    /// have been discarded.
    Vanished,
    /// The id of the new session belongs to another session.
    IdTaken,
    /// The id is not 1 to 128 characters of `A-Z a-z 0-9 _ -`.
    InvalidId,
    /// The id can no longer be set, because the session has been used.
    Started,
    /// The name of a user is not 1 to 255 bytes without control characters.
    InvalidUser,
    /// The user has as many sessions as are allowed.
    TooManySessions,
    /// The key `$meta` is reserved for the metadata of the session.
    ReservedKey,
    /// The value cannot be written as JSON.
    Encode(serde_json::Error),
    /// The item is not a value of the expected type.
    // Without serde_json's error, whose message would quote the value.
    Decode {
        /// The requested Rust type.
        expected: &'static str,
    },
    /// The store did not answer before the request's timeout. A write may still take effect.
    Timeout,
    /// The store failed or refused the operation.
    Storage(StorageError),
    /// A setting is out of range, or something that it requires is missing.
    Config(String),
}

impl Error {
    /// Creates the error for a failure of the store behind `storage`.
    ///
    /// `reason` must not contain ids or values.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Error;
    ///
    /// let error = Error::storage("my-table", "table is read-only");
    /// assert_eq!(error.to_string(), "session storage failed", "safe to send to a client");
    /// assert!(error.is_unavailable());
    /// ```
    pub fn storage(storage: &'static str, reason: impl Into<String>) -> Self {
        Self::Storage(StorageError { storage, reason: reason.into() })
    }

    /// Returns the error of a store once more, for another caller whom it concerns.
    #[cfg(any(feature = "file", feature = "redis"))]
    pub(crate) fn shared(&self) -> Self {
        match self {
            Self::Storage(error) => Self::Storage(error.clone()),
            _ => Self::Timeout,
        }
    }

    /// Returns whether the store caused the error: it failed, refused or did not answer in time.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Error;
    ///
    /// assert!(Error::Timeout.is_unavailable());
    /// assert!(!Error::Vanished.is_unavailable(), "the user has logged out meanwhile");
    /// ```
    #[must_use]
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Timeout | Self::Storage(_))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("session is closed"),
            Self::Vanished => f.write_str("session ended while the request was running"),
            Self::IdTaken => f.write_str("session id is taken"),
            Self::InvalidId => {
                f.write_str("session id is not 1 to 128 characters of A-Z a-z 0-9 _ -")
            }
            Self::Started => f.write_str("session has already started"),
            Self::InvalidUser => {
                f.write_str("name of a user is not 1 to 255 bytes without control characters")
            }
            Self::TooManySessions => f.write_str("the user has too many sessions"),
            Self::ReservedKey => f.write_str("session key $meta is reserved"),
            Self::Encode(_) => f.write_str("value cannot be written as JSON"),
            Self::Decode { expected } => write!(f, "session item is not a {expected}"),
            Self::Timeout => f.write_str("session storage did not answer in time"),
            Self::Storage(_) => f.write_str("session storage failed"),
            Self::Config(problem) => f.write_str(problem),
        }
    }
}

impl error::Error for Error {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Encode(cause) => Some(cause),
            Self::Storage(cause) => Some(cause),
            _ => None,
        }
    }
}

/// Lets `?` work in a `main` that returns [`std::io::Result`]. The error becomes the inner error.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

/// A failure of a store: the storage's name, and a reason without ids or values.
#[derive(Clone, Debug)]
pub struct StorageError {
    storage: &'static str,
    reason: String,
}

impl StorageError {
    #[cfg(feature = "redis")]
    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.storage, self.reason)
    }
}

impl error::Error for StorageError {}

/// Formats an error and its causes on one line, for the log.
pub(crate) fn chain(error: &dyn error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
