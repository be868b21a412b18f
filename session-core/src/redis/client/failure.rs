//! What an error of the redis crate means for the command it answers.

use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind as Server};

use crate::Error;

/// Error text for a write to a server known to be a replica.
pub(super) const DEMOTED: &str = "is a replica and takes no writes";

/// What the client may do after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key holds a value of another type.
    WrongType,
    /// The server does not know the script.
    NoScript,
    /// The server did not execute the command, and may do so in a moment.
    Refused,
    /// The server was made a replica: another one may have become the master.
    Demoted,
    /// The node named in the answer serves the key's slot, for good or (`ASK`) for this command.
    Redirected { for_good: bool },
    /// No answer came: whether the command was executed is unknown.
    Lost,
    /// The command failed for good.
    Failed,
}

/// Classifies an error by its kind and code.
pub(super) fn judge(error: &RedisError) -> Verdict {
    match error.kind() {
        ErrorKind::Server(Server::NoScript) => Verdict::NoScript,
        ErrorKind::Server(Server::ReadOnly) => Verdict::Demoted,
        ErrorKind::Server(
            Server::BusyLoading | Server::MasterDown | Server::ClusterDown | Server::TryAgain,
        ) => Verdict::Refused,
        ErrorKind::Server(Server::Moved) => Verdict::Redirected { for_good: true },
        ErrorKind::Server(Server::Ask) => Verdict::Redirected { for_good: false },
        ErrorKind::Server(_) => Verdict::Failed,
        ErrorKind::Extension => match error.code() {
            Some("WRONGTYPE") => Verdict::WrongType,
            // A script runs for too long; the server answers nothing else until it ends.
            Some("BUSY") => Verdict::Refused,
            _ => Verdict::Failed,
        },
        _ => Verdict::Lost,
    }
}

/// Why one exchange with the servers failed.
pub(super) enum ExchangeError {
    /// The server does not know the script: send its text.
    NoScript,
    Other(Error),
}

impl From<Error> for ExchangeError {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl From<ExchangeError> for Error {
    fn from(error: ExchangeError) -> Self {
        match error {
            ExchangeError::NoScript => Error::storage("redis", "answered NOSCRIPT"),
            ExchangeError::Other(error) => error,
        }
    }
}

/// Names an error by its kind and code alone: the server's own words may quote ids and values.
pub(crate) fn reason(error: &RedisError) -> String {
    if error.is_connection_refusal() {
        return "connection refused".to_owned();
    }
    if error.is_timeout() {
        return "timed out".to_owned();
    }
    if error.is_connection_dropped() {
        return "connection lost".to_owned();
    }
    #[cfg(feature = "redis-tls")]
    if let Some(reason) = tls_reason(error) {
        return reason;
    }
    match error.code() {
        Some(code) if is_code(code) => format!("answered {code}"),
        Some(_) => "answered an error".to_owned(),
        None => error.category().to_owned(),
    }
}

/// Names an error of the TLS layer, whose text cannot contain what was encrypted.
#[cfg(feature = "redis-tls")]
fn tls_reason(error: &RedisError) -> Option<String> {
    use std::{error::Error, io, sync::Arc};

    let cause = error.source()?.downcast_ref::<Arc<dyn Error + Send + Sync>>()?;
    let cause = cause.downcast_ref::<io::Error>()?.get_ref()?;
    Some(format!("TLS: {}", cause.downcast_ref::<rustls::Error>()?))
}

/// Returns whether a text is an error code of Redis: one word in capitals.
fn is_code(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Converts an error into one for the caller of a storage.
pub(super) fn report(error: &RedisError) -> Error {
    Error::storage("redis", reason(error))
}

#[cfg(test)]
mod tests {
    use std::io;

    use deadpool_redis::redis::parse_redis_value;

    use super::*;

    fn answer(line: &str) -> RedisError {
        let value = parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err()
    }

    #[test]
    fn only_answers_that_prove_a_command_was_not_executed_allow_another_try() {
        for refused in ["LOADING x", "BUSY x", "TRYAGAIN x", "CLUSTERDOWN x"] {
            assert_eq!(judge(&answer(refused)), Verdict::Refused, "{refused}");
        }
        for failed in ["OOM x", "ERR x", "NOPERM x", "EXECABORT x", "MISCONF x", "BUSYKEY x"] {
            assert_eq!(judge(&answer(failed)), Verdict::Failed, "{failed}");
        }
        assert_eq!(judge(&answer("MOVED 1 h:1")), Verdict::Redirected { for_good: true });
        assert_eq!(judge(&answer("ASK 1 h:1")), Verdict::Redirected { for_good: false });
        assert_eq!(judge(&answer("READONLY x")), Verdict::Demoted);
        assert_eq!(judge(&answer("NOSCRIPT x")), Verdict::NoScript);
        assert_eq!(judge(&answer("WRONGTYPE x")), Verdict::WrongType);
        assert_eq!(judge(&io::Error::from(io::ErrorKind::BrokenPipe).into()), Verdict::Lost);
    }

    #[test]
    fn g12_a_reason_never_quotes_the_server() {
        assert_eq!(reason(&answer("ERR bad value 'secret'")), "answered ERR");
        assert_eq!(reason(&answer("OOM secret")), "answered OOM");
        assert_eq!(reason(&answer("secret secret")), "answered an error");
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "secret");
        assert_eq!(reason(&refused.into()), "connection refused");
        let error = RedisError::from((ErrorKind::InvalidClientConfig, "x", "secret".to_owned()));
        assert_eq!(reason(&error), "invalid client config");
    }
}
