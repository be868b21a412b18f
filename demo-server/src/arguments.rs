//! The command line.

use std::{ffi::OsString, path::PathBuf};

use clap::{Parser, Subcommand, error::ErrorKind};

use crate::settings::Problem;

/// A walkthrough of server-side sessions: /set, /get and /del on a configurable storage.
#[derive(Debug, Parser, PartialEq, Eq)]
#[command(
    name = "demo-server",
    override_usage = "demo-server [--config FILE] [key | sessions COMMAND]",
    args_override_self = true,
    disable_help_subcommand = true,
    after_help = "\
An environment variable overrides the same setting in the file:
DEMO__SESSION__BACKEND=redis-hash-table, DEMO__SESSION__MAX_AGE=5s, DEMO__SERVER__PORT=9000.
RUST_LOG=debug makes the log more detailed."
)]
pub(crate) struct Arguments {
    /// Read the settings from FILE instead of ./config.toml.
    #[arg(long, value_name = "FILE", global = true)]
    pub(crate) config: Option<PathBuf>,
    /// What to do; without it, serve.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Command {
    /// Print a new key for session.encryption_keys.
    Key,
    /// List, show and end the sessions of the configured storage.
    ///
    /// Exit codes: 0 done, 1 no such session, 2 wrong usage or configuration, 3 the store failed.
    Sessions {
        #[command(subcommand)]
        command: Sessions,
    },
}

#[derive(Debug, PartialEq, Eq, Subcommand)]
pub(crate) enum Sessions {
    /// List all sessions, without values.
    List {
        /// Write one JSON array.
        #[arg(long)]
        json: bool,
        /// Show whole ids, which are secrets, beside the fingerprints.
        #[arg(long)]
        ids: bool,
    },
    /// Show one session: its metadata, and the keys and sizes of its items.
    Show {
        /// A fingerprint, as `list` shows it, or an id.
        session: String,
        /// Write one JSON object.
        #[arg(long)]
        json: bool,
        /// Show the values of the items too.
        #[arg(long)]
        values: bool,
    },
    /// End one session. Exit code 1 if there is none.
    End {
        /// A fingerprint, as `list` shows it, or an id.
        session: String,
    },
    /// End all sessions of a user, on every server. Exit code 1 if there is none.
    EndUser {
        /// The name, as the user has logged in with it.
        user: String,
    },
    /// Remove expired entries.
    Sweep,
    /// Count sessions, items and bytes, and the times left.
    Stats {
        /// Write one JSON object.
        #[arg(long)]
        json: bool,
    },
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Run(Arguments),
    /// Print this text.
    Help(String),
}

impl Arguments {
    /// Parses the command line, which begins with the name of the program.
    pub(crate) fn parse_from_line(
        line: impl Iterator<Item = OsString>,
    ) -> Result<Request, Problem> {
        match Self::try_parse_from(line) {
            Ok(arguments) => Ok(Request::Run(arguments)),
            Err(error) if error.kind() == ErrorKind::DisplayHelp => {
                Ok(Request::Help(error.to_string()))
            }
            Err(error) if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
                let what = "sessions: needs one of the commands list, show, end, end-user, sweep and stats";
                Err(Problem::new(what))
            }
            Err(error) => Err(Problem::new(one_line(&error.to_string()))),
        }
    }
}

/// Joins the paragraphs of an error of clap.
fn one_line(error: &str) -> String {
    let lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    let lines: Vec<&str> = lines.collect();
    lines.join("; ").replace(":;", ":").trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Request, String> {
        let line = ["demo-server"].iter().chain(arguments).map(OsString::from);
        Arguments::parse_from_line(line).map_err(|problem| problem.to_string())
    }

    fn run(config: Option<&str>, command: Option<Command>) -> Result<Request, String> {
        Ok(Request::Run(Arguments { config: config.map(PathBuf::from), command }))
    }

    #[test]
    fn the_config_file_can_be_chosen() {
        assert_eq!(parse(&[]), run(None, None));
        assert_eq!(parse(&["--config", "other.toml"]), run(Some("other.toml"), None));
        assert_eq!(parse(&["--config", "a", "--config", "b"]), run(Some("b"), None));
        assert_eq!(parse(&["key"]), run(None, Some(Command::Key)));
        assert_eq!(parse(&["key", "--config", "a"]), run(Some("a"), Some(Command::Key)));
        let sweep = Command::Sessions { command: Sessions::Sweep };
        assert_eq!(parse(&["sessions", "sweep", "--config", "a"]), run(Some("a"), Some(sweep)));
    }

    #[test]
    fn every_command_has_help() {
        for command in [
            &[][..],
            &["key"],
            &["sessions"],
            &["sessions", "list"],
            &["sessions", "show"],
            &["sessions", "end"],
            &["sessions", "end-user"],
            &["sessions", "sweep"],
            &["sessions", "stats"],
        ] {
            let Ok(Request::Help(help)) = parse(&[command, &["--help"]].concat()) else {
                panic!("{command:?}")
            };
            assert!(help.contains("--config"), "{help}");
        }
    }

    #[test]
    fn wrong_usage_is_one_line() {
        for (arguments, word) in [
            (&["key", "key"][..], "'key'"),
            (&["--config"], "--config"),
            (&["--port", "1"], "'--port'"),
            (&["sessions"], "list"),
            (&["sessions", "show"], "<SESSION>"),
            (&["sessions", "lst"], "'lst'"),
        ] {
            let problem = parse(arguments).unwrap_err();
            assert!(problem.contains(word) && !problem.contains('\n'), "{problem}");
        }
    }
}
