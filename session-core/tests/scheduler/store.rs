//! A storage whose every call is a scheduling point.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::value::RawValue;
use session_core::{
    Changes, Granularity, RenameOptions, Result, SessionId, SetOptions, Snapshot, Storage,
    TtlRange, Written,
};

use crate::{
    history::{Event, History},
    renames_by_copying::RenamesByCopying,
    request::Op,
    turns::{Moment, Place, Turns},
};

/// The form of a storage.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) granularity: Granularity,
    /// Whether sessions are renamed by the provided method, in several steps.
    pub(crate) renames_by_copying: bool,
    /// Whether a strand is suspended after each call, too, with the answer under way.
    pub(crate) suspends_answers: bool,
}

/// Suspends its caller before each call of the storage inside and after it.
#[derive(Clone, Debug)]
pub(crate) struct ScheduledStorage {
    pub(crate) inner: Arc<dyn Storage>,
    pub(crate) form: Form,
    pub(crate) turns: Arc<Turns>,
    pub(crate) history: Arc<History>,
}

impl ScheduledStorage {
    async fn call<T: Send>(
        &self,
        name: &'static str,
        call: impl Future<Output = Result<T>> + Send,
    ) -> Result<T> {
        // The manager's background tasks are not scheduled.
        let Some(strand) = self.turns.running() else { return call.await };
        self.turns.pass(strand, name, Moment::Before).await;
        self.turns.put(strand, Place::Inside);
        let answer = call.await;
        if matches!(name, "set_session" | "remove_all" | "rename") {
            self.history.observe(&*self.inner, Some(self.turns.doing(strand))).await;
        }
        self.turns.put(strand, Place::Away);
        if self.form.suspends_answers {
            self.turns.pass(strand, name, Moment::After).await;
        }
        answer
    }
}

#[async_trait]
impl Storage for ScheduledStorage {
    async fn get_session(&self, id: &SessionId) -> Result<Option<Snapshot>> {
        self.call("get_session", self.inner.get_session(id)).await
    }

    async fn set_session(
        &self,
        id: &SessionId,
        changes: &Changes,
        options: SetOptions<'_>,
    ) -> Result<Written> {
        self.call("set_session", self.inner.set_session(id, changes, options)).await
    }

    async fn update_ttl(&self, id: &SessionId, ttl: TtlRange) -> Result<bool> {
        let update = async {
            let answer = self.inner.update_ttl(id, ttl).await;
            let doing = self.turns.running().map(|strand| self.turns.doing(strand));
            if let Some(doing) = doing.filter(|doing| matches!(doing.op, Op::Close | Op::TryClose))
            {
                let exists = self.history.record().stored.contains_key(id);
                let (request, id) = (doing.request, id.clone());
                self.history.push(Event::Proved { request, id, exists });
            }
            answer
        };
        self.call("update_ttl", update).await
    }

    async fn remove_all(&self, id: &SessionId, if_seen: Option<&Snapshot>) -> Result<bool> {
        self.call("remove_all", self.inner.remove_all(id, if_seen)).await
    }

    async fn expires_in(&self, id: &SessionId) -> Result<Option<Duration>> {
        self.call("expires_in", self.inner.expires_in(id)).await
    }

    fn granularity(&self) -> Granularity {
        self.form.granularity
    }

    async fn get(&self, id: &SessionId, key: &str) -> Result<Option<Box<RawValue>>> {
        self.call("get", self.inner.get(id, key)).await
    }

    async fn contains(&self, id: &SessionId, key: &str) -> Result<bool> {
        self.call("contains", self.inner.contains(id, key)).await
    }

    async fn get_size(&self, id: &SessionId) -> Result<usize> {
        self.call("get_size", self.inner.get_size(id)).await
    }

    async fn rename(
        &self,
        from: &SessionId,
        to: &SessionId,
        options: RenameOptions<'_>,
    ) -> Result<bool> {
        if self.form.renames_by_copying {
            // The required methods alone, so that each step is a scheduling point.
            return RenamesByCopying(Arc::new(self.clone())).rename(from, to, options).await;
        }
        self.call("rename", self.inner.rename(from, to, options)).await
    }
}
