//! `sessions end`.

use super::{failure::Failure, output::Output, store::Store};

/// Ends a session, like a logout.
pub(super) async fn end(store: &Store, output: &mut Output, name: &str) -> Result<(), Failure> {
    let id = store.find(name).await?;
    if !store.stored().remove_all(&id, None).await? {
        return Err(Failure::NotFound);
    }
    output.line(&format!("ended {}", id.fingerprint())).await
}
