//! The command line.

use std::{ffi::OsString, path::PathBuf};

use crate::settings::Problem;

pub(crate) const HELP: &str = "\
The walkthrough of server-side sessions: /set, /get and /del on a storage of your choice.

Usage: demo-server [--config FILE]

  --config FILE  read the settings from FILE instead of ./config.toml
  --help         print this

Every setting can also be made by an environment variable, which has the last word:
DEMO__SESSION__BACKEND=redis-hash-table, DEMO__SESSION__MAX_AGE=5s, DEMO__SERVER__PORT=9000.
RUST_LOG=debug shows more in the log.
";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Arguments {
    Help,
    Serve { config: Option<PathBuf> },
}

impl Arguments {
    pub(crate) fn parse(mut arguments: impl Iterator<Item = OsString>) -> Result<Self, Problem> {
        let mut config = None;
        while let Some(argument) = arguments.next() {
            match argument.to_str() {
                Some("--help" | "-h") => return Ok(Self::Help),
                Some("--config") => match arguments.next() {
                    Some(file) => config = Some(PathBuf::from(file)),
                    None => return Err(Problem::new("--config: the name of a file must follow")),
                },
                _ => {
                    return Err(Problem::new(format!(
                        "argument {argument:?}: unknown; allowed are --config FILE and --help"
                    )));
                }
            }
        }
        Ok(Self::Serve { config })
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
    fn a_file_can_be_named() {
        assert_eq!(parse(&[]), Ok(Arguments::Serve { config: None }));
        let named = Arguments::Serve { config: Some("other.toml".into()) };
        assert_eq!(parse(&["--config", "other.toml"]), Ok(named));
        assert_eq!(parse(&["--help"]), Ok(Arguments::Help));
    }

    #[test]
    fn anything_else_is_refused() {
        assert!(parse(&["--config"]).unwrap_err().contains("--config"));
        assert!(parse(&["--port", "1"]).unwrap_err().contains("\"--port\""));
    }
}
