//! The sessions of the configured storage.

use std::sync::Arc;

use futures_util::{StreamExt as _, stream};
use session_core::{Manager, Scan, SessionId, Snapshot, Storage};

use super::{entry::Entry, failure::Failure, progress::Progress};
use crate::{
    settings::{Backend, Settings},
    storage,
};

/// How many sessions are read at once.
const CONCURRENT: usize = 32;

/// The storage, by the ids under which it keeps the sessions.
pub(super) struct Store {
    storage: Arc<dyn Storage>,
    backend: Backend,
}

impl Store {
    pub(super) fn open(mut settings: Settings) -> Result<Self, Failure> {
        let backend = settings.session.backend;
        if backend == Backend::Memory {
            let what = "its sessions are in the memory of the server, and cannot be administered \
                        from outside; allowed is `file`, `redis-key-value` or `redis-hash-table`";
            return Err(settings.problem(&["session.backend"], what).into());
        }
        // Each session is read once.
        settings.redis.near_cache = 0;
        Ok(Self { storage: storage::open(&settings)?, backend })
    }

    /// Returns a manager of the sessions, which knows whose they are.
    pub(super) fn manager(&self) -> Result<Manager, Failure> {
        Ok(Manager::builder(self.storage.clone()).build()?)
    }

    pub(super) fn backend(&self) -> Backend {
        self.backend
    }

    pub(super) fn stored(&self) -> &dyn Storage {
        self.storage.by_stored_id().unwrap_or(&self.storage)
    }

    fn scanner(&self) -> &dyn Scan {
        self.stored().scanner().expect("files and Redis can be listed")
    }

    /// Counts the entries, expired ones among them.
    pub(super) async fn count(&self) -> Result<usize, Failure> {
        let (mut count, mut page) = (0, None);
        loop {
            let found = self.scanner().scan(page.as_deref()).await?;
            count += found.ids.len();
            page = found.next;
            if page.is_none() {
                return Ok(count);
            }
        }
    }

    /// Calls `visit` with every session.
    pub(super) async fn for_each(
        &self,
        mut visit: impl AsyncFnMut(&SessionId, Entry) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let (mut progress, mut read, mut page) = (Progress::start(), 0, None);
        loop {
            let found = self.scanner().scan(page.as_deref()).await?;
            let entries = stream::iter(&found.ids).map(|id| self.entry(id)).buffered(CONCURRENT);
            let mut entries = std::pin::pin!(entries);
            while let Some(entry) = entries.next().await {
                if let Some((id, entry)) = entry? {
                    visit(id, entry).await?;
                }
                read += 1;
                progress.report(read);
            }
            page = found.next;
            if page.is_none() {
                return Ok(());
            }
        }
    }

    async fn entry<'a>(
        &self,
        id: &'a SessionId,
    ) -> Result<Option<(&'a SessionId, Entry)>, Failure> {
        Ok(self.read(id).await?.map(|(_, entry)| (id, entry)))
    }

    /// Reads a session. `None` if there is none, or only a marker.
    pub(super) async fn read(&self, id: &SessionId) -> Result<Option<(Snapshot, Entry)>, Failure> {
        let session = self.stored().get_session(id).await?;
        let Some(session) = session.filter(|session| !session.is_marker()) else { return Ok(None) };
        // It may have ended meanwhile.
        let Some(left) = self.stored().expires_in(id).await? else { return Ok(None) };
        let entry = Entry::new(id, &session, left);
        Ok(Some((session, entry)))
    }

    /// Finds a session by its id, that of the client or that in the store, or by a fingerprint.
    pub(super) async fn find(&self, name: &str) -> Result<SessionId, Failure> {
        if let Ok(id) = SessionId::parse(name) {
            for id in [self.storage.stored_id(&id), id] {
                if self.read(&id).await?.is_some() {
                    return Ok(id);
                }
            }
        }
        let is_named = |id: &&SessionId| id.fingerprint() == name;
        let mut page = None;
        loop {
            let found = self.scanner().scan(page.as_deref()).await?;
            for id in found.ids.iter().filter(is_named) {
                if self.read(id).await?.is_some() {
                    return Ok(id.clone());
                }
            }
            page = found.next;
            if page.is_none() {
                return Err(Failure::NotFound);
            }
        }
    }
}
