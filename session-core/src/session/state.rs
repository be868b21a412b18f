//! What a request knows of its session.

use std::{sync::Arc, time::Duration};

use super::outcome::Outcome;
use crate::{Changes, Error, Result, SessionId, Snapshot, error::StorageError, manager::IdFn};

pub(super) struct State {
    pub(super) phase: Phase,
    /// What the client presented; it needs to be told of any other id.
    pub(super) claim: Option<SessionId>,
    /// The id that a new session is to have, once it is known.
    pub(super) chosen: Option<SessionId>,
    pub(super) id_fn: Option<IdFn>,
    /// Changes not yet stored; stays empty with a storage that works item by item.
    // Shared with a save under way, and copied only if it is changed meanwhile. `None` rather than
    // empty: most requests change nothing.
    pub(super) pending: Option<Arc<Changes>>,
    /// The store was asked for the session, so its idle time starts again.
    pub(super) used: bool,
    /// Something was changed in the store.
    pub(super) stored: bool,
    /// A session that the client may know has ended.
    pub(super) ended: bool,
    /// The first failure; from then on every operation answers it.
    pub(super) failed: Option<Failed>,
    /// How the session was left, once it is closed.
    pub(super) closed: Option<(Outcome, Option<Failed>)>,
    /// How long the store may still be waited for.
    pub(super) left: Duration,
}

pub(super) enum Phase {
    /// There is no session: none was claimed, the claim was false, or it has ended.
    Absent,
    /// A claim that nothing has proven yet; an empty answer about one item does not disprove it.
    Unproven(SessionId),
    /// There is a session: an item was seen or a write succeeded.
    Known(SessionId, Option<Snapshot>),
    /// The response has been sent.
    Closed,
}

/// What a request must not hide from its client.
#[derive(Clone)]
pub(super) enum Failed {
    Vanished,
    IdTaken,
    Timeout,
    Storage(StorageError),
}

impl State {
    pub(super) fn new(claim: Option<SessionId>, left: Duration) -> Self {
        Self {
            phase: claim.clone().map_or(Phase::Absent, Phase::Unproven),
            claim,
            chosen: None,
            id_fn: None,
            pending: None,
            used: false,
            stored: false,
            ended: false,
            failed: None,
            closed: None,
            left,
        }
    }

    /// Refuses to go on with a session that is closed or has failed.
    pub(super) fn check(&self) -> Result<()> {
        if matches!(self.phase, Phase::Closed) {
            return Err(Error::Closed);
        }
        self.failed.clone().map_or(Ok(()), |failed| Err(failed.into()))
    }

    /// The id to ask the store for, proven or not.
    pub(super) fn id(&self) -> Option<SessionId> {
        match &self.phase {
            Phase::Unproven(id) | Phase::Known(id, _) => Some(id.clone()),
            Phase::Absent | Phase::Closed => None,
        }
    }

    /// The session as it was loaded, if that is known. The outer `None`: the store has to be asked.
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

    /// The store has answered something about `id` that only a session can have.
    pub(super) fn prove(&mut self, id: SessionId) {
        if matches!(&self.phase, Phase::Unproven(claimed) if *claimed == id) {
            self.phase = Phase::Known(id, None);
        }
    }

    /// Whether what is not yet stored makes a session where none was.
    pub(super) fn sets_items(&self) -> bool {
        self.pending.as_ref().is_some_and(|pending| pending.sets_items())
    }

    /// Adds to what is to be stored.
    pub(super) fn change(&mut self, changes: Changes) {
        match &mut self.pending {
            Some(pending) => Arc::make_mut(pending).extend(changes),
            None => self.pending = Some(Arc::new(changes)),
        }
    }

    /// These changes are stored. Keeps what has come to be changed meanwhile.
    pub(super) fn saved(&mut self, saved: &Arc<Changes>) {
        let later = self.pending.take().filter(|pending| !Arc::ptr_eq(pending, saved));
        self.pending = later.map(|mut pending| {
            Arc::make_mut(&mut pending).forget(saved);
            pending
        });
    }

    /// Remembers an error if it is the store's.
    pub(super) fn remember(&mut self, error: Error) -> Error {
        match error {
            Error::Timeout => self.fail(Failed::Timeout),
            Error::Storage(cause) => self.fail(Failed::Storage(cause)),
            other => other,
        }
    }

    /// Remembers a failure, unless an earlier one stands.
    pub(super) fn fail(&mut self, failed: Failed) -> Error {
        self.failed.get_or_insert(failed).clone().into()
    }
}

impl From<Failed> for Error {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Vanished => Self::Vanished,
            Failed::IdTaken => Self::IdTaken,
            Failed::Timeout => Self::Timeout,
            Failed::Storage(cause) => Self::Storage(cause),
        }
    }
}
