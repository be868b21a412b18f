//! The state of a session within one request.

use std::{sync::Arc, time::Duration};

use super::outcome::Outcome;
use crate::{Changes, Error, Result, SessionId, Snapshot, error::StorageError, manager::IdFn};

pub(super) struct State {
    pub(super) phase: Phase,
    /// The id that the client sent. It must be sent any other id.
    pub(super) claim: Option<SessionId>,
    /// The id for a new session, once it is set or generated.
    pub(super) new_id: Option<SessionId>,
    pub(super) id_fn: Option<IdFn>,
    /// Changes not yet stored. Always `None` with a storage of items.
    // Shared with a running save, and copied only if it changes meanwhile. `None` rather than
    // empty, because most requests change nothing.
    pub(super) pending: Option<Arc<Changes>>,
    /// Whether this request used the session, which restarts its time to live.
    pub(super) used: bool,
    /// Whether this request has changed the store.
    pub(super) stored: bool,
    /// Whether this request has ended a session that the client may know.
    pub(super) ended: bool,
    /// The first failure, which every later operation returns.
    pub(super) failure: Option<Failure>,
    /// The result of `close`, once the session is closed.
    pub(super) closed: Option<(Outcome, Option<Failure>)>,
    /// How long this session may still wait for the store.
    pub(super) wait_budget: Duration,
}

pub(super) enum Phase {
    /// There is no session: no id was claimed, the claimed one is unknown, or the session has
    /// ended.
    Absent,
    /// A claimed id that is not verified yet. That an item does not exist says nothing about it.
    Unverified(SessionId),
    /// The session exists: an item was read or a write succeeded. With the snapshot, if loaded.
    Known(SessionId, Option<Snapshot>),
    /// The session is closed.
    Closed,
}

/// A failure that `close` reports, so that the response does not hide it.
#[derive(Clone)]
pub(super) enum Failure {
    Vanished,
    IdTaken,
    Timeout,
    Storage(StorageError),
}

impl State {
    pub(super) fn new(claim: Option<SessionId>, wait_budget: Duration) -> Self {
        Self {
            phase: claim.clone().map_or(Phase::Absent, Phase::Unverified),
            claim,
            new_id: None,
            id_fn: None,
            pending: None,
            used: false,
            stored: false,
            ended: false,
            failure: None,
            closed: None,
            wait_budget,
        }
    }

    /// Returns an error if the session is closed or has failed.
    pub(super) fn check(&self) -> Result<()> {
        if matches!(self.phase, Phase::Closed) {
            return Err(Error::Closed);
        }
        self.failure.clone().map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Returns the session's id, verified or not.
    pub(super) fn id(&self) -> Option<SessionId> {
        match &self.phase {
            Phase::Unverified(id) | Phase::Known(id, _) => Some(id.clone()),
            Phase::Absent | Phase::Closed => None,
        }
    }

    /// Returns the session as it was loaded. The outer `None` means that it has to be loaded.
    pub(super) fn loaded(&self) -> Result<Option<Option<Snapshot>>> {
        self.check()?;
        Ok(match &self.phase {
            Phase::Known(_, Some(base)) => Some(Some(base.clone())),
            Phase::Absent => Some(None),
            _ => None,
        })
    }

    pub(super) fn is_known(&self) -> bool {
        matches!(self.phase, Phase::Known(..))
    }

    /// Records that the session with this id exists, if the id is still unverified.
    pub(super) fn mark_known(&mut self, id: SessionId) {
        if matches!(&self.phase, Phase::Unverified(claimed) if *claimed == id) {
            self.phase = Phase::Known(id, None);
        }
    }

    /// Returns whether the pending changes set an item, so that they can create a session.
    pub(super) fn sets_items(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.sets_items())
    }

    /// Adds to the pending changes.
    pub(super) fn change(&mut self, changes: Changes) {
        match &mut self.pending {
            Some(pending) => Arc::make_mut(pending).extend(changes),
            None => self.pending = Some(Arc::new(changes)),
        }
    }

    /// Records that these changes are stored. Keeps those made meanwhile pending.
    pub(super) fn saved(&mut self, saved: &Arc<Changes>) {
        let later = self.pending.take().filter(|pending| !Arc::ptr_eq(pending, saved));
        self.pending = later.map(|mut pending| {
            Arc::make_mut(&mut pending).subtract(saved);
            pending
        });
    }

    /// Records the error if it is a failure of the store, and returns it.
    pub(super) fn record(&mut self, error: Error) -> Error {
        match error {
            Error::Timeout => self.fail(Failure::Timeout),
            Error::Storage(cause) => self.fail(Failure::Storage(cause)),
            other => other,
        }
    }

    /// Records a failure unless there is an earlier one, and returns the first.
    pub(super) fn fail(&mut self, failure: Failure) -> Error {
        self.failure.get_or_insert(failure).clone().into()
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Vanished => Self::Vanished,
            Failure::IdTaken => Self::IdTaken,
            Failure::Timeout => Self::Timeout,
            Failure::Storage(cause) => Self::Storage(cause),
        }
    }
}
