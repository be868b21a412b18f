//! The session that the browser has at first.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use session_core::{Changes, Lifetime, SessionId, SetOptions, Snapshot, Storage as _, Written};

use crate::{case::Case, run::TTL, store::ScheduledStorage};

/// The longest life of a session, and what the first one has left of it.
pub(crate) const ABSOLUTE_TTL: Duration = Duration::from_secs(86_400);
pub(crate) const LEFT: Duration = Duration::from_millis(400);

/// Stores the session that the browser has at first, whose id is due to be renewed.
pub(crate) async fn create(case: &Case, store: &ScheduledStorage, id: &SessionId) {
    let created = if case.has_end { now() - ABSOLUTE_TTL + LEFT } else { Duration::from_millis(1) };
    let text = if case.renews || case.has_end {
        format!(r#"{{"$meta":{{"created":{}}},"n":1}}"#, created.as_millis())
    } else {
        r#"{"n":1}"#.to_owned()
    };
    let session = Snapshot::parse(text).expect("it is JSON").expect("it has an item");
    let absolute = case.has_end.then_some(ABSOLUTE_TTL);
    let create = SetOptions::create(TTL).lifetime(Lifetime::idle(TTL).absolute(absolute));
    let written = store.inner.set_session(id, &Changes::between(None, &session), create).await;
    assert_eq!(written.expect("the store itself works"), Written::Saved);
    store.history.observe(&*store.inner, None).await;
}

/// Returns the time since 1970 at which Tokio's paused clock stands.
fn now() -> Duration {
    let stands_for =
        Instant::now().saturating_duration_since(tokio::time::Instant::now().into_std());
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("it is after 1970") - stands_for
}
