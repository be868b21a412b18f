//! What an error of the redis crate means for the command it answers.

use deadpool_redis::redis::{ErrorKind, RedisError, ServerErrorKind as Server};

use crate::Error;

/// What may be done after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The key holds a value of another type.
    Foreign,
    /// The server does not know the script.
    NoScript,
    /// The server did not execute the command, and may do so in a moment.
    Refused,
    /// The server was made a replica: somebody else may have become what it was.
    Demoted,
    /// The node named in the answer has the key's slot, or is about to get it.
    Elsewhere { for_good: bool },
    /// No answer came; whether the command was executed is not known.
    Lost,
    /// The command failed for good.
    Failed,
}

/// Judges by kind and code.
pub(super) fn judge(error: &RedisError) -> Verdict {
    match error.kind() {
        ErrorKind::Server(Server::NoScript) => Verdict::NoScript,
        ErrorKind::Server(Server::ReadOnly) => Verdict::Demoted,
        ErrorKind::Server(
            Server::BusyLoading | Server::MasterDown | Server::ClusterDown | Server::TryAgain,
        ) => Verdict::Refused,
        ErrorKind::Server(Server::Moved) => Verdict::Elsewhere { for_good: true },
        ErrorKind::Server(Server::Ask) => Verdict::Elsewhere { for_good: false },
        ErrorKind::Server(_) => Verdict::Failed,
        ErrorKind::Extension => match error.code() {
            Some("WRONGTYPE") => Verdict::Foreign,
            // A script is running too long; the server answers nothing else until it ends.
            Some("BUSY") => Verdict::Refused,
            _ => Verdict::Failed,
        },
        _ => Verdict::Lost,
    }
}

/// Names an error by kind and code alone: the server's own words may quote ids and values.
pub(super) fn reason(error: &RedisError) -> String {
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
    if let Some(reason) = super::tls::reason(error) {
        return reason;
    }
    match error.code() {
        Some(code) if is_code(code) => format!("answered {code}"),
        Some(_) => "answered an error".to_owned(),
        None => error.category().to_owned(),
    }
}

/// Redis's codes are a capital word.
fn is_code(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

/// Reports an error to the caller of a storage.
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
        assert_eq!(judge(&answer("MOVED 1 h:1")), Verdict::Elsewhere { for_good: true });
        assert_eq!(judge(&answer("ASK 1 h:1")), Verdict::Elsewhere { for_good: false });
        assert_eq!(judge(&answer("READONLY x")), Verdict::Demoted);
        assert_eq!(judge(&answer("NOSCRIPT x")), Verdict::NoScript);
        assert_eq!(judge(&answer("WRONGTYPE x")), Verdict::Foreign);
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
