use std::fmt;

/// Why the server cannot run as configured, in one line for the person who configures it.
#[derive(Debug)]
pub(crate) struct Problem(String);

impl Problem {
    pub(crate) fn new(line: impl Into<String>) -> Self {
        Self(line.into())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whatever a cause says about itself, or a key is called, one problem is one line and gives
        // no orders to the terminal.
        f.write_str(&self.0.replace(char::is_control, " "))
    }
}
