//! The calls of a session to its storage.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    handle::Session,
    state::{Failure, Phase},
};
use crate::{
    Changes, Error, Granularity, Result, SessionId, SetOptions, Snapshot, Storage, Written,
};

impl Session {
    pub(super) fn storage(&self) -> &dyn Storage {
        self.0.manager.storage()
    }

    pub(super) fn is_whole(&self) -> bool {
        self.storage().granularity() == Granularity::Whole
    }

    /// Waits for a storage operation within the wait budget, and records a failure.
    pub(super) async fn wait_for<T>(
        &self,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let budget = {
            let state = self.state();
            state.check()?;
            state.wait_budget
        };
        self.wait_within(budget, operation).await
    }

    async fn wait_within<T>(
        &self,
        budget: Duration,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let is_bounded = self.storage().max_latency().is_some_and(|latency| latency <= budget);
        let (mut operation, mut began, mut timer) = (pin!(operation), None, None);
        let result = poll_fn(|context| {
            if let Poll::Ready(result) = operation.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            // Not earlier: an operation that is ready at once does not need the time.
            began.get_or_insert_with(Instant::now);
            if is_bounded {
                return Poll::Pending;
            }
            // Boxed, because few sessions need a timer and it would enlarge every handler's future.
            let timer = timer.get_or_insert_with(|| Box::pin(sleep(budget)));
            timer.as_mut().poll(context).map(|()| Err(Error::Timeout))
        });
        let result = result.await;
        if let Some(began) = began {
            self.state().wait_budget = budget.saturating_sub(began.elapsed());
        }
        result.map_err(|error| self.state().record(error))
    }

    pub(super) fn checked_id(&self) -> Result<Option<SessionId>> {
        let state = self.state();
        state.check()?;
        Ok(state.id())
    }

    /// Verifies a claimed id, unless that has been done.
    pub(super) async fn verify(&self) -> Result<()> {
        if self.is_whole() {
            return self.load().await.map(drop);
        }
        let _transition = self.0.transition.lock().await;
        let Some(id) = self.checked_id()?.filter(|_| !self.state().is_known()) else {
            return Ok(());
        };
        if self.wait_for(self.storage().expires_in(&id)).await?.is_some() {
            let mut state = self.state();
            state.used = true;
            state.mark_known(id);
        } else {
            self.mark_unknown(&id);
        }
        Ok(())
    }

    /// Returns the session as it was first loaded. Loads it if needed.
    pub(super) async fn load(&self) -> Result<Option<Snapshot>> {
        let _transition = match self.0.transition.try_lock() {
            Some(guard) => guard,
            None => {
                // A loaded session need not wait for a write in flight.
                if let Some(loaded) = self.state().loaded()? {
                    return Ok(loaded);
                }
                self.0.transition.lock().await
            }
        };
        self.load_locked().await
    }

    pub(super) async fn load_locked(&self) -> Result<Option<Snapshot>> {
        let (id, budget) = {
            let state = self.state();
            if let Some(loaded) = state.loaded()? {
                return Ok(loaded);
            }
            (state.id(), state.wait_budget)
        };
        let Some(id) = id else { return Ok(None) };
        let found = match self.storage().cached(&id) {
            None => self.wait_within(budget, self.storage().get_session(&id)).await?,
            cached => cached,
        };
        let Some(snapshot) = found else {
            self.mark_unknown(&id);
            return Ok(None);
        };
        let mut state = self.state();
        state.used = true;
        // With a storage of items every read goes to the store.
        state.phase = Phase::Known(id, self.is_whole().then(|| snapshot.clone()));
        Ok(Some(snapshot))
    }

    /// Records that the store does not know this id, if it is still unverified. If the session was
    /// known, nothing changes here: its next write fails.
    pub(super) fn mark_unknown(&self, id: &SessionId) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Unverified(_)) {
            state.phase = Phase::Absent;
            self.0.manager.note_unknown(id);
        }
    }

    /// Stores changes at once. The caller holds the transition lock.
    pub(super) async fn store_locked(&self, changes: &Changes) -> Result<()> {
        let (id, seen) = {
            let state = self.state();
            state.check()?;
            match &state.phase {
                Phase::Known(id, seen) => (Some(id.clone()), seen.clone()),
                _ => (state.id(), None),
            }
        };
        let Some(id) = id else { return self.create(changes).await };
        match self.update(&id, changes, seen.as_ref()).await? {
            Written::Refused if self.state().is_known() => {
                Err(self.state().fail(Failure::Vanished))
            }
            Written::Refused => {
                self.mark_unknown(&id);
                self.create(changes).await
            }
            Written::Saved | Written::Emptied => Ok(()),
        }
    }

    /// Updates an existing session, and records the result in the state.
    pub(super) async fn update(
        &self,
        id: &SessionId,
        changes: &Changes,
        seen: Option<&Snapshot>,
    ) -> Result<Written> {
        let (began, update) = (Instant::now(), SetOptions::update(self.0.manager.ttl()).seen(seen));
        let written = self.wait_for(self.storage().set_session(id, changes, update)).await?;
        match written {
            Written::Refused => {}
            Written::Saved => self.saved(id.clone(), began),
            Written::Emptied => self.ended(id),
        }
        Ok(written)
    }

    async fn create(&self, changes: &Changes) -> Result<()> {
        if !changes.sets_items() {
            return Ok(());
        }
        let id = {
            let state = self.state();
            state.new_id.clone().unwrap_or_else(|| self.generate_id(&state))
        };
        let (began, create) = (Instant::now(), SetOptions::create(self.0.manager.ttl()));
        let written = self.wait_for(self.storage().set_session(&id, changes, create)).await?;
        if written == Written::Refused {
            return Err(self.state().fail(Failure::IdTaken));
        }
        self.state().new_id = None;
        self.saved(id, began);
        Ok(())
    }

    fn saved(&self, id: SessionId, began: Instant) {
        self.0.manager.note_stored(&id, began);
        let mut state = self.state();
        state.used = true;
        state.stored = true;
        state.phase = Phase::Known(id, None);
    }

    /// Records that this request has ended the session.
    pub(super) fn ended(&self, id: &SessionId) {
        self.0.manager.note_ended(id);
        let mut state = self.state();
        state.stored = true;
        state.ended = true;
        state.phase = Phase::Absent;
    }
}
