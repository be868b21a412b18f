//! A storage without a `rename` of its own.

#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test uses it in its own way")]

use std::{sync::Arc, time::Duration};

use session_core::{
    Changes, Granularity, Result, SessionId, SetOptions, Snapshot, Storage, TtlRange, Written,
};

/// A storage that renames by copying, as between two slots of a cluster.
#[derive(Debug)]
pub struct RenamesByCopying(pub Arc<dyn Storage>);

#[async_trait::async_trait]
impl Storage for RenamesByCopying {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.0.get_session(id).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        self.0.set_session(id, changes, options).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        self.0.update_ttl(id, ttl).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        self.0.remove_all(id, if_seen).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.0.expires_in(id).await
    }

    fn granularity(&self) -> Granularity {
        self.0.granularity()
    }
}
