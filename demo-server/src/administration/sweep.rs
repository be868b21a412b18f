//! `sessions sweep`.

use super::{failure::Failure, output::Output, store::Store};

/// Removes expired entries, and says how many.
pub(super) async fn sweep(store: &Store, output: &mut Output) -> Result<(), Failure> {
    if store.backend().is_redis() {
        return output.line("nothing to do: Redis removes expired sessions by itself").await;
    }
    let before = store.count().await?;
    store.stored().sweep().await?;
    let after = store.count().await?;
    let removed = before.saturating_sub(after);
    output.line(&format!("removed {removed} of {before} entries")).await
}
