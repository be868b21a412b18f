//! Waiting for the store, within the time that a session has for it.

use std::{
    future::{Future, poll_fn},
    pin::pin,
    task::Poll,
    time::Duration,
};

use futures_util::lock::MutexGuard;
use tokio::time::{Instant, sleep};

use super::handle::Session;
use crate::{Error, Result, SessionId, StoreOperation, manager::Turn};

/// How long a session may still wait for the store, over all its operations.
///
/// Counts the time during which at least one operation waits, so that concurrent ones do not count
/// twice. An operation that is abandoned counts until it is dropped.
#[derive(Debug)]
pub(super) struct WaitBudget {
    left: Duration,
    waiters: usize,
    /// When the first of the current waiters began.
    since: Option<Instant>,
}

/// Whether an operation changes the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

impl From<Access> for StoreOperation {
    fn from(access: Access) -> Self {
        match access {
            Access::Read => Self::Read,
            Access::Write => Self::Write,
        }
    }
}

impl WaitBudget {
    pub(super) fn new(left: Duration) -> Self {
        Self { left, waiters: 0, since: None }
    }

    pub(super) fn left(&self) -> Duration {
        self.left.saturating_sub(self.since.map_or(Duration::ZERO, |since| since.elapsed()))
    }

    fn begin(&mut self) {
        self.waiters += 1;
        self.since.get_or_insert_with(Instant::now);
    }

    fn end(&mut self) {
        self.waiters -= 1;
        if self.waiters == 0 {
            self.left = self.left();
            self.since = None;
        }
    }
}

/// An operation that waits. Counts until it is dropped.
struct Waiter<'a>(&'a Session);

impl<'a> Waiter<'a> {
    fn begin(session: &'a Session) -> Self {
        session.state().wait_budget.begin();
        Self(session)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.state().wait_budget.end();
    }
}

impl Session {
    /// Waits for a storage operation, and records a failure.
    pub(super) async fn wait_for<T>(
        &self,
        access: Access,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let budget = {
            let mut state = self.state();
            state.check(access)?;
            state.wait_budget.left()
        };
        let is_bounded = self.storage().max_latency().is_some_and(|latency| latency <= budget);
        let limit = (!is_bounded).then_some(budget);
        let result = self.wait_within(limit, operation).await;
        self.manager().note_result(access.into(), &result);
        result.map_err(|error| self.state().record(access, error))
    }

    /// Waits until no other transition of this session is under way, and begins one.
    ///
    /// The waiting counts, because whoever holds the lock waits for the store.
    pub(super) async fn transition(&self, access: Access) -> Result<MutexGuard<'_, ()>> {
        if let Some(guard) = self.0.transition.try_lock() {
            return Ok(guard);
        }
        let budget = {
            let mut state = self.state();
            state.check(access)?;
            state.wait_budget.left()
        };
        let lock = async { Ok(self.0.transition.lock().await) };
        // Boxed: contention is rare, and the future is part of every operation's.
        let result = Box::pin(self.wait_within(Some(budget), lock)).await;
        result.map_err(|error| self.state().record(access, error))
    }

    /// Waits for the turn to change an item of the session with this id.
    pub(super) async fn turn(&self, id: &SessionId) -> Result<Turn<'_>> {
        let budget = self.state().wait_budget.left();
        let turn = async { Ok(self.manager().turn(id).await) };
        let result = self.wait_within(Some(budget), turn).await;
        result.map_err(|error| self.state().record(Access::Write, error))
    }

    /// Waits for an operation, at most for as long as `limit`. The waiting counts.
    pub(super) async fn wait_within<T>(
        &self,
        limit: Option<Duration>,
        operation: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let (mut operation, mut waiter, mut timer) = (pin!(operation), None, None);
        poll_fn(|context| {
            if let Poll::Ready(result) = operation.as_mut().poll(context) {
                return Poll::Ready(result);
            }
            // Not earlier: an operation that is ready at once needs no clock.
            waiter.get_or_insert_with(|| Waiter::begin(self));
            let Some(limit) = limit else { return Poll::Pending };
            // Boxed, because few sessions need a timer and it would enlarge every handler's future.
            let timer = timer.get_or_insert_with(|| Box::pin(sleep(limit)));
            timer.as_mut().poll(context).map(|()| Err(Error::Timeout))
        })
        .await
    }
}
