//! What an error of the redis crate means for the command it answers.

use std::{fmt, sync::Arc};

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
    /// The server does not know the command in this form.
    UnknownSyntax,
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
        ErrorKind::Server(_) if error.detail() == Some("syntax error") => Verdict::UnknownSyntax,
        ErrorKind::Server(_) => Verdict::Failed,
        ErrorKind::Extension => match code(error) {
            Some("WRONGTYPE") => Verdict::WrongType,
            Some("READONLY") => Verdict::Demoted,
            // A script runs for too long; the server answers nothing else until it ends.
            Some("BUSY") => Verdict::Refused,
            _ => Verdict::Failed,
        },
        _ => Verdict::Lost,
    }
}

/// Returns the code of an error. Redis 6 answers `@user_script: 1: -READONLY …` if a script passes
/// on that its command was refused.
fn code(error: &RedisError) -> Option<&str> {
    let code = error.code()?;
    let passed_on = || error.detail()?.split_once(": -")?.1.split(' ').next();
    if code.starts_with('@') { passed_on().or(Some(code)) } else { Some(code) }
}

/// Why one exchange with the servers failed.
pub(super) enum ExchangeError {
    /// The server does not know the script: send its text.
    NoScript,
    /// The server does not know the command in this form, and has not executed it.
    UnknownSyntax,
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
            ExchangeError::UnknownSyntax => Error::storage("redis", "answered ERR syntax error"),
            ExchangeError::Other(error) => error,
        }
    }
}

/// Why a server cannot be used at all: a predicate such as "is not reachable: timed out".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    fault: Fault,
    reason: Arc<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    Unreachable,
    Refusing,
    Idle,
}

impl Problem {
    pub(crate) fn of(error: &RedisError) -> Self {
        let fault = match judge(error) {
            Verdict::Lost => Fault::Unreachable,
            Verdict::Refused => Fault::Idle,
            _ => Fault::Refusing,
        };
        Self { fault, reason: reason(error).into() }
    }

    pub(crate) fn unreachable(reason: impl Into<Arc<str>>) -> Self {
        Self { fault: Fault::Unreachable, reason: reason.into() }
    }

    /// Returns whether both call for the same remedy.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.fault == other.fault && (self.fault == Fault::Unreachable || self == other)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fault = match self.fault {
            Fault::Unreachable => "is not reachable",
            Fault::Refusing => "refuses the connection",
            Fault::Idle => "executes no commands",
        };
        write!(f, "{fault}: {}", self.reason)
    }
}

/// Returns whether a server does not let this client in, so that it refuses every command.
pub(super) fn is_admission(error: &RedisError) -> bool {
    matches!(error.code(), Some("NOAUTH" | "WRONGPASS" | "DENIED")) || has_too_many_clients(error)
}

fn has_too_many_clients(error: &RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("max number of clients"))
}

/// Names an error by its kind and code, and where permission is missing the command: the server's
/// own words may quote ids and values.
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
    if has_too_many_clients(error) {
        return "it has too many clients (maxclients)".to_owned();
    }
    let Some(code) = code(error) else { return error.category().to_owned() };
    if is_denial(error) {
        let is_about_keys = error.detail().is_some_and(|detail| detail.contains("access"));
        let unnamed = if is_about_keys { "the keys" } else { "a command of a script" };
        let command = denied_command(error);
        return format!("no permission for {} (NOPERM)", command.as_deref().unwrap_or(unnamed));
    }
    let meaning = match code {
        "WRONGPASS" => "wrong user or password",
        "NOAUTH" => "a password is required",
        "DENIED" => "protected mode",
        "OOM" => "out of memory",
        "MISCONF" => "it cannot save its data and takes no writes",
        "NOREPLICAS" => "too few replicas",
        "READONLY" => DEMOTED,
        "LOADING" => "it is loading its data",
        "BUSY" => "it is busy with a script",
        "CLUSTERDOWN" => "the cluster is down",
        "MASTERDOWN" => "its master is down",
        _ if is_code(code) => return format!("answered {code}"),
        _ => return "answered an error".to_owned(),
    };
    format!("{meaning} ({code})")
}

/// Returns whether the user lacks a permission. In a script the code is `ERR`.
fn is_denial(error: &RedisError) -> bool {
    // Redis 6 puts the script's name and line before it.
    let in_script = ["ACL failure in script", "The user executing the script can't"];
    let is_in_script = |detail: &str| in_script.iter().any(|said| detail.contains(said));
    error.code() == Some("NOPERM") || error.detail().is_some_and(is_in_script)
}

/// Returns the command that the user has no permission for, if the server names one.
///
/// A command is no secret. Its name is checked, since it is part of the server's own words.
pub(super) fn denied_command(error: &RedisError) -> Option<String> {
    let (_, quoted) = error.detail()?.split_once("run the '")?;
    let (name, _) = quoted.split_once('\'')?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"|_-.".contains(&byte);
    let is_command = (1..=40).contains(&name.len()) && name.bytes().all(is_name);
    is_command.then(|| name.to_ascii_lowercase())
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
        let in_script = answer("@user_script: 1: -READONLY You can't write");
        assert_eq!(judge(&in_script), Verdict::Demoted);
        assert_eq!(reason(&answer("@user_script: 1: -OOM x")), "out of memory (OOM)");
        assert_eq!(judge(&answer("WRONGTYPE x")), Verdict::WrongType);
        assert_eq!(judge(&io::Error::from(io::ErrorKind::BrokenPipe).into()), Verdict::Lost);
    }

    #[test]
    fn a_reason_names_the_command_that_is_not_permitted() {
        for answered in [
            "NOPERM User shop has no permissions to run the 'pexpire' command",
            "NOPERM this user has no permissions to run the 'pexpire' command or its subcommand",
            "ERR ACL failure in script: User shop has no permissions to run the 'PEXPIRE' command",
        ] {
            let expected = "no permission for pexpire (NOPERM)";
            assert_eq!(reason(&answer(answered)), expected, "{answered}");
        }
    }

    #[test]
    fn a_problem_tells_a_server_that_refuses_from_one_that_is_away() {
        let problem = |line: &str| Problem::of(&answer(line)).to_string();
        assert_eq!(
            problem("WRONGPASS x"),
            "refuses the connection: wrong user or password (WRONGPASS)"
        );
        assert_eq!(
            problem("ERR max number of clients reached"),
            "refuses the connection: it has too many clients (maxclients)"
        );
        assert_eq!(problem("LOADING x"), "executes no commands: it is loading its data (LOADING)");
        let refused: RedisError = io::Error::from(io::ErrorKind::ConnectionRefused).into();
        assert_eq!(Problem::of(&refused).to_string(), "is not reachable: connection refused");
    }

    #[test]
    fn g12_a_reason_never_quotes_the_server() {
        assert_eq!(reason(&answer("ERR bad value 'secret'")), "answered ERR");
        assert_eq!(reason(&answer("OOM secret")), "out of memory (OOM)");
        let keys = "NOPERM No permissions to access a key secret";
        assert_eq!(reason(&answer(keys)), "no permission for the keys (NOPERM)");
        let odd = "NOPERM User s has no permissions to run the 'a secret' command";
        assert_eq!(reason(&answer(odd)), "no permission for a command of a script (NOPERM)");
        assert_eq!(reason(&answer("secret secret")), "answered an error");
        let refused = io::Error::new(io::ErrorKind::ConnectionRefused, "secret");
        assert_eq!(reason(&refused.into()), "connection refused");
        let error = RedisError::from((ErrorKind::InvalidClientConfig, "x", "secret".to_owned()));
        assert_eq!(reason(&error), "invalid client config");
    }
}
