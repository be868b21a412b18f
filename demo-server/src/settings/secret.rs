//! Settings that must not be shown.

use std::fmt;

use serde::Deserialize;

/// A string that may contain a password. Its `Debug` output hides it.
#[derive(Clone, Deserialize, PartialEq)]
pub(crate) struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}
