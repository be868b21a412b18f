//! How a session talks to its storage.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use tokio::time::{Instant, sleep};

use super::{
    handle::Session,
    state::{Failed, Phase},
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

    /// Waits for the store as long as this session still may, and remembers if it fails.
    pub(super) async fn ask<T>(&self, answer: impl Future<Output = Result<T>>) -> Result<T> {
        let left = {
            let state = self.state();
            state.check()?;
            state.left
        };
        self.ask_within(left, answer).await
    }

    async fn ask_within<T>(
        &self,
        left: Duration,
        answer: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let is_bounded = self.storage().max_latency().is_some_and(|bound| bound <= left);
        let (mut answer, mut began, mut end) = (pin!(answer), None, None);
        let answer = poll_fn(|context| {
            if let Poll::Ready(answer) = answer.as_mut().poll(context) {
                return Poll::Ready(answer);
            }
            // Only now: what is at hand, in memory or near, needs no clock.
            began.get_or_insert_with(Instant::now);
            if is_bounded {
                return Poll::Pending;
            }
            // Boxed: most sessions need none, and its place would be in the future of every handler.
            let end = end.get_or_insert_with(|| Box::pin(sleep(left)));
            end.as_mut().poll(context).map(|()| Err(Error::Timeout))
        });
        let answer = answer.await;
        if let Some(began) = began {
            self.state().left = left.saturating_sub(began.elapsed());
        }
        answer.map_err(|error| self.state().remember(error))
    }

    pub(super) fn checked_id(&self) -> Result<Option<SessionId>> {
        let state = self.state();
        state.check()?;
        Ok(state.id())
    }

    /// Finds out whether a claimed session exists, if nothing has shown it yet.
    pub(super) async fn prove(&self) -> Result<()> {
        if self.is_whole() {
            return self.load().await.map(drop);
        }
        let _transition = self.0.transition.lock().await;
        let Some(id) = self.checked_id()?.filter(|_| !self.state().is_known()) else {
            return Ok(());
        };
        if self.ask(self.storage().expires_in(&id)).await?.is_some() {
            let mut state = self.state();
            state.used = true;
            state.prove(id);
        } else {
            self.disprove(&id);
        }
        Ok(())
    }

    /// The session as the store had it on first need.
    pub(super) async fn load(&self) -> Result<Option<Snapshot>> {
        let _transition = match self.0.transition.try_lock() {
            Some(free) => free,
            None => {
                // What is known needs no waiting for a write under way.
                if let Some(known) = self.state().loaded()? {
                    return Ok(known);
                }
                self.0.transition.lock().await
            }
        };
        self.load_locked().await
    }

    pub(super) async fn load_locked(&self) -> Result<Option<Snapshot>> {
        let (id, left) = {
            let state = self.state();
            if let Some(known) = state.loaded()? {
                return Ok(known);
            }
            (state.id(), state.left)
        };
        let Some(id) = id else { return Ok(None) };
        let found = match self.storage().cached(&id) {
            None => self.ask_within(left, self.storage().get_session(&id)).await?,
            cached => cached,
        };
        let Some(snapshot) = found else {
            self.disprove(&id);
            return Ok(None);
        };
        let mut state = self.state();
        state.used = true;
        // A storage of items is asked anew each time.
        state.phase = Phase::Known(id, self.is_whole().then(|| snapshot.clone()));
        Ok(Some(snapshot))
    }

    /// The store knows no such session. Of one that was known this says nothing new: its next
    /// write finds out.
    pub(super) fn disprove(&self, id: &SessionId) {
        let mut state = self.state();
        if matches!(state.phase, Phase::Unproven(_)) {
            state.phase = Phase::Absent;
            self.0.manager.note_unknown(id);
        }
    }

    /// Stores changes now, under the gate.
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
            Written::Refused if self.state().is_known() => Err(self.state().fail(Failed::Vanished)),
            Written::Refused => {
                self.disprove(&id);
                self.create(changes).await
            }
            Written::Saved | Written::Emptied => Ok(()),
        }
    }

    /// Writes to a session that exists, and notes what became of it.
    pub(super) async fn update(
        &self,
        id: &SessionId,
        changes: &Changes,
        seen: Option<&Snapshot>,
    ) -> Result<Written> {
        let (began, update) = (Instant::now(), SetOptions::update(self.0.manager.ttl()).seen(seen));
        let written = self.ask(self.storage().set_session(id, changes, update)).await?;
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
            state.chosen.clone().unwrap_or_else(|| self.fresh_id(&state))
        };
        let (began, create) = (Instant::now(), SetOptions::create(self.0.manager.ttl()));
        let written = self.ask(self.storage().set_session(&id, changes, create)).await?;
        if written == Written::Refused {
            return Err(self.state().fail(Failed::IdTaken));
        }
        self.state().chosen = None;
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

    /// The session with this id is over, by an act of this request.
    pub(super) fn ended(&self, id: &SessionId) {
        self.0.manager.note_ended(id);
        let mut state = self.state();
        state.stored = true;
        state.ended = true;
        state.phase = Phase::Absent;
    }
}
