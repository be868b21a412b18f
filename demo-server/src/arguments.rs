//! The command line.

use std::{ffi::OsString, path::PathBuf};

use crate::settings::Problem;

pub(crate) const HELP: &str = "\
A walkthrough of server-side sessions: /set, /get and /del on a configurable storage.

Usage: demo-server [--config FILE]
       demo-server key

  key            print a new key for session.encryption_keys
  --config FILE  read the settings from FILE instead of ./config.toml
  --help         print this help

An environment variable overrides the same setting in the file:
DEMO__SESSION__BACKEND=redis-hash-table, DEMO__SESSION__MAX_AGE=5s, DEMO__SERVER__PORT=9000.
RUST_LOG=debug makes the log more detailed.
";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    Help,
    /// Print a new encryption key.
    Key,
    Serve {
        config: Option<PathBuf>,
    },
}

impl Arguments {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Problem> {
        let mut config = None;
        let mut is_key = false;
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--help" | "-h") => return Ok(Self::Help),
                Some("--config") => match arguments.next() {
                    Some(file) => config = Some(PathBuf::from(file)),
                    None => return Err(Problem::new("--config: needs the name of a file")),
                },
                Some("key") if !is_key => is_key = true,
                _ => {
                    return Err(Problem::new(format!(
                        "argument {argument:?}: unknown; allowed are key, --config FILE and --help"
                    )));
                }
            }
        }
        Ok(if is_key { Self::Key } else { Self::Serve { config } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(arguments.iter().map(OsString::from))
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn the_config_file_can_be_chosen() {
        assert_eq!(parse(&[]), Ok(Arguments::Serve { config: None }));
        let named = Arguments::Serve { config: Some("other.toml".into()) };
        assert_eq!(parse(&["--config", "other.toml"]), Ok(named));
        assert_eq!(parse(&["--help"]), Ok(Arguments::Help));
        assert_eq!(parse(&["key"]), Ok(Arguments::Key));
    }

    #[test]
    fn unknown_arguments_are_refused() {
        assert!(parse(&["key", "key"]).unwrap_err().contains("\"key\""));
        assert!(parse(&["--config"]).unwrap_err().contains("--config"));
        assert!(parse(&["--port", "1"]).unwrap_err().contains("\"--port\""));
    }
}
