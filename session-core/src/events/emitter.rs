//! Telling the listener.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use super::{event::Event, listener::Listener, log_listener::LogListener};

/// The listener of a manager and of its background tasks.
///
/// Not to be told anything under a lock: it may call the manager.
#[derive(Clone)]
pub(crate) struct Events(Arc<Told<dyn Listener>>);

struct Told<L: ?Sized> {
    has_panicked: AtomicBool,
    listener: L,
}

impl Events {
    pub(crate) fn new(listener: impl Listener) -> Self {
        Self(Arc::new(Told { has_panicked: AtomicBool::new(false), listener }))
    }

    /// Counts an event if there are metrics, and tells the listener.
    pub(crate) fn emit(&self, event: Event<'_>) {
        #[cfg(feature = "metrics")]
        crate::meters::count(&event);
        // Nothing here is used after a panic but the listener, whose own matter its state is.
        let told = catch_unwind(AssertUnwindSafe(|| self.0.listener.event(&event)));
        if told.is_err() && !self.0.has_panicked.swap(true, Ordering::Relaxed) {
            log::error!("a listener of session events has panicked; further panics are not logged");
        }
    }
}

impl Default for Events {
    fn default() -> Self {
        Self::new(LogListener)
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Events")
    }
}
