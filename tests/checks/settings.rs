//! The demo's `config.toml` and environment.

use std::collections::HashMap;

use session_actix::SessionMiddleware;
use session_core::{Manager, MemoryStorage};

// Declared by the crate root, where `storage` looks for `settings`.
use crate::{
    settings::{Problem, Settings},
    storage,
};

thread_local! {
    // Leaked: the runtime cannot be dropped while the thread's other locals go.
    static RUNTIME: actix_rt::Runtime = actix_rt::Runtime::new().expect("a runtime");
}

/// Checks that settings are understood, or refused in one line without control characters.
pub(crate) fn check(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    let (file, variables) = text.split_once("\n# environment\n").unwrap_or((text, ""));
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    // An operating system's environment has no zero bytes.
    let variables = variables.filter(|(name, value)| !name.contains('\0') && !value.contains('\0'));
    let environment = variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    if let Err(problem) = RUNTIME.with(|runtime| runtime.block_on(start(file, environment))) {
        let line = problem.to_string();
        assert!(!line.is_empty() && !line.contains(char::is_control), "{line:?}");
    }
}

/// Reads the settings and builds everything that the server builds before it touches a store.
async fn start(file: &str, environment: HashMap<String, String>) -> Result<(), Problem> {
    let settings = Settings::from_text("demo.toml", file, Some(environment))?;
    let complain = |error| settings.problem(&["redis.url"], error);
    storage::redis(&settings)?;
    // A file could be one without an end, such as a device.
    if settings.session.encryption_keys_file.is_none() {
        settings.keys()?;
    }
    let manager = Manager::builder(MemoryStorage::new())
        .ttl(settings.session.max_age)
        .touch_interval(settings.session.touch_interval)
        .build()
        .map_err(complain)?;
    let sessions = settings.transport(SessionMiddleware::builder(manager))?;
    sessions.build().map(drop).map_err(complain)
}
