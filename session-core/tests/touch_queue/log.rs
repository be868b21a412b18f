//! The log lines of one test. Tests run in threads of their own, and so do their managers.

use std::{cell::RefCell, sync::Once};

use log::{LevelFilter, Log, Metadata, Record};

thread_local! {
    static LINES: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

struct Lines;

impl Log for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("session_core")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let line = format!("{} {}", record.level(), record.args());
            LINES.with_borrow_mut(|lines| lines.push(line));
        }
    }

    fn flush(&self) {}
}

pub(crate) struct Captured(());

/// Captures this thread's lines from now on.
pub(crate) fn capture() -> Captured {
    static LOGGER: Once = Once::new();
    LOGGER.call_once(|| {
        log::set_logger(&Lines).unwrap();
        log::set_max_level(LevelFilter::Debug);
    });
    LINES.take();
    Captured(())
}

impl Captured {
    /// Takes the lines since the last call.
    pub(crate) fn take(&self) -> Vec<String> {
        LINES.take()
    }

    /// Takes the lines since the last call that are not at debug.
    pub(crate) fn take_serious(&self) -> Vec<String> {
        self.take().into_iter().filter(|line| !line.starts_with("DEBUG")).collect()
    }
}
