//! What can go wrong.

use std::{error, fmt};

/// A result whose error is, unless said otherwise, [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why an operation on a session or a storage failed.
///
/// No variant carries an item's value or a whole session id, in its text or in its
/// [`source`](error::Error::source), so every error may be logged.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The session was closed: its response has been sent.
    Closed,
    /// The session was there and is gone, by a logout elsewhere or by expiry; what was written
    /// to it since has been dropped.
    Vanished,
    /// The chosen id belongs to another session.
    IdTaken,
    /// The id is not 1 to 128 characters of `A-Z a-z 0-9 _ -`.
    InvalidId,
    /// The id can no longer be chosen: the session has been used.
    Started,
    /// The value cannot be written as JSON.
    Encode(serde_json::Error),
    /// The item is not a value of the expected type.
    // serde_json's own message would quote the value.
    Decode {
        /// The Rust type asked for.
        expected: &'static str,
    },
    /// The store did not answer within the time a request may spend on it. A write may still
    /// take effect.
    Timeout,
    /// The store failed or refused.
    Storage(StorageError),
    /// A setting is out of its range, or belongs to something that is missing.
    Config(String),
}

impl Error {
    /// Reports a failure of the store behind `storage`.
    ///
    /// `reason` must not contain ids or values.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Error;
    ///
    /// let error = Error::storage("my-table", "table is read-only");
    /// assert_eq!(error.to_string(), "session storage failed", "fit for a response");
    /// assert!(error.is_unavailable());
    /// ```
    pub fn storage(storage: &'static str, reason: impl Into<String>) -> Self {
        Self::Storage(StorageError { storage, reason: reason.into() })
    }

    /// Whether the store is to blame: it failed, refused or did not answer in time.
    ///
    /// # Examples
    ///
    /// ```
    /// use session_core::Error;
    ///
    /// assert!(Error::Timeout.is_unavailable());
    /// assert!(!Error::Vanished.is_unavailable(), "somebody has logged out meanwhile");
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

/// Lets `?` work in a `main` that returns [`std::io::Result`]. The error is kept as the cause.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

/// A store's failure: which storage, and a reason without ids or values.
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

/// An error with its causes, on one line for the log.
pub(crate) fn chain(error: &dyn error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
