//! `sessions end-user`.

use super::{failure::Failure, output::Output, store::Store};

/// Ends all sessions of a user, on every server.
pub(super) async fn end_user(
    store: &Store,
    output: &mut Output,
    user: &str,
) -> Result<(), Failure> {
    let ended = store.manager()?.end_all(user).await?;
    if ended == 0 {
        return Err(Failure::NotFound);
    }
    let sessions = if ended == 1 { "session" } else { "sessions" };
    output.line(&format!("ended {ended} {sessions}")).await
}
