//! What all requests behind one middleware share.

use session_core::Manager;

use crate::{name::Name, transport::Transport};

#[derive(Debug)]
pub(crate) struct Shared {
    /// `None` for a session that the plain extractor gives.
    pub(crate) name: Option<Name>,
    pub(crate) manager: Manager,
    pub(crate) transport: Transport,
}

impl Shared {
    /// Returns the name for log lines.
    pub(crate) fn name_text(&self) -> &str {
        self.name.map_or("the one without a name", |name| name.text)
    }
}
