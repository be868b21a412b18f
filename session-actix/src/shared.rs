//! What all requests behind one middleware share.

use std::sync::Arc;

use session_core::Manager;

use crate::{name::Name, transport::Transport};

#[derive(Debug)]
pub(crate) struct Shared {
    /// `None` for a session that the plain extractor gives.
    pub(crate) name: Option<Name>,
    pub(crate) manager: Manager,
    pub(crate) transport: Transport,
}

/// What the requests of one worker share, which is all on one thread.
#[derive(Debug)]
pub(crate) struct OfWorker {
    pub(crate) middleware: Arc<Shared>,
    /// A handle of its own, so that requests write no reference count of other workers.
    pub(crate) manager: Manager,
}

impl OfWorker {
    pub(crate) fn new(middleware: Arc<Shared>) -> Self {
        let manager = middleware.manager.for_worker();
        Self { middleware, manager }
    }
}

impl Shared {
    /// Returns the name for log lines.
    pub(crate) fn name_text(&self) -> &str {
        self.name.map_or("the one without a name", |name| name.text)
    }
}
