//! Why a command failed.

use session_core::Error;

use crate::{advice::Advice, settings::Problem};

/// Why a command failed, with its exit code.
#[derive(Debug)]
pub(crate) enum Failure {
    /// No session has the fingerprint or id, or the user has none.
    NotFound,
    /// Wrong usage or configuration.
    Misconfigured(Problem),
    /// The store failed, or the output cannot be written.
    Store(Problem),
    /// Whoever reads the output has read enough.
    OutputClosed,
}

impl Failure {
    /// Returns the line to be shown, if any.
    pub(crate) fn line(&self) -> Option<String> {
        match self {
            Self::NotFound => Some("there is no such session".to_owned()),
            Self::Misconfigured(problem) | Self::Store(problem) => Some(problem.to_string()),
            Self::OutputClosed => None,
        }
    }

    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::NotFound => 1,
            Self::Misconfigured(_) => 2,
            Self::Store(_) => 3,
        }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Misconfigured(problem)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let Advice { problem, help, .. } = Advice::on(&error);
        Self::Store(Problem::new(format!("the store failed: {problem}. {help}")))
    }
}
