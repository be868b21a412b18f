//! The state of a session within one request.

use std::{collections::VecDeque, iter, mem, sync::Arc, time::Duration};

use tokio::time::Instant;

use super::{
    outcome::Outcome,
    wait::{Access, WaitBudget},
};
use crate::{
    Changes, Error, Lifetime, Result, SessionId, Snapshot,
    error::StorageError,
    manager::{Facts, IdFn, OwnTtl},
    snapshot::{Meta, MetaChange},
};

pub(super) struct State {
    pub(super) phase: Phase,
    /// The id that the client sent. It must be sent any other id.
    pub(super) claim: Option<SessionId>,
    /// Whether the claimed id has led to the session's id, and no answer at the end of the request
    /// has shown yet that the session still has it.
    pub(super) is_followed: bool,
    /// Whether a claimed id was renewed a moment ago, by another request of this client.
    pub(super) is_renewed: bool,
    /// The session's metadata, once it is known.
    // Boxed, which keeps the state small: every request moves it.
    meta: Option<Option<Box<Meta>>>,
    /// The session's own time to live that this request has set, or `Some(None)` for the default.
    pub(super) new_ttl: OwnTtl,
    /// Whether this request may begin a new session although a claimed id was renewed.
    pub(super) starts_anew: bool,
    // Boxed, as few requests have any.
    pub(super) further_claims: Option<Box<FurtherClaims>>,
    /// The id for a new session, once it is set or generated.
    pub(super) new_id: Option<SessionId>,
    pub(super) id_fn: Option<IdFn>,
    /// Changes not yet stored. Always `None` with a storage of items.
    // Shared with a running save, and copied only if it changes meanwhile. `None` rather than
    // empty, because most requests change nothing.
    pub(super) pending: Option<Arc<Changes>>,
    /// Whether an operation was called, so that the response may depend on the session.
    pub(super) was_asked: bool,
    /// Whether this request used the session, which restarts its time to live.
    pub(super) used: bool,
    /// When the manager was last told of the use.
    pub(super) noted: Option<Instant>,
    /// Whether the cookie has to be sent again, as the manager said then.
    pub(super) rolls: bool,
    /// Whether reads do not count as use.
    pub(super) passive: bool,
    /// Whether this request has changed the store.
    pub(super) stored: bool,
    /// Whether this request has ended a session that the client may know.
    pub(super) ended: bool,
    /// The first failure of a write, which every later operation returns and `close` reports.
    pub(super) failure: Option<Failure>,
    /// The first failure of a read, which every later operation returns. A write makes it one that
    /// `close` reports.
    pub(super) read_failure: Option<Failure>,
    /// The result of `close`, once the session is closed.
    pub(super) closed: Option<(Outcome, Option<Failure>)>,
    pub(super) wait_budget: WaitBudget,
}

/// The claims of a request beside the current one.
#[derive(Default)]
pub(super) struct FurtherClaims {
    /// To be verified, in this order, if the current one is unknown.
    others: VecDeque<SessionId>,
    /// Found unknown otherwise than by reading them.
    unread: Vec<SessionId>,
}

impl FurtherClaims {
    #[inline]
    fn of(mut others: impl Iterator<Item = SessionId>) -> Option<Box<Self>> {
        let first = others.next()?;
        let others = iter::once(first).chain(others).collect();
        Some(Box::new(Self { others, unread: Vec::new() }))
    }
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

/// A failure that is remembered.
#[derive(Clone)]
pub(super) enum Failure {
    Vanished,
    IdTaken,
    Timeout,
    // Shared, which keeps the state small: every request moves it.
    Storage(Arc<StorageError>),
}

impl State {
    #[inline]
    pub(super) fn new(
        claim: Option<SessionId>,
        others: impl Iterator<Item = SessionId>,
        timeout: Duration,
    ) -> Self {
        Self {
            phase: claim.clone().map_or(Phase::Absent, Phase::Unverified),
            claim,
            is_followed: false,
            is_renewed: false,
            meta: None,
            new_ttl: None,
            starts_anew: false,
            further_claims: FurtherClaims::of(others),
            new_id: None,
            id_fn: None,
            pending: None,
            was_asked: false,
            used: false,
            noted: None,
            rolls: false,
            passive: false,
            stored: false,
            ended: false,
            failure: None,
            read_failure: None,
            closed: None,
            wait_budget: WaitBudget::new(timeout),
        }
    }

    /// Notes the metadata of the session, as it was read.
    pub(super) fn note_metadata(&mut self, meta: Option<Box<Meta>>) {
        self.meta = Some(meta);
    }

    /// Notes the metadata of a session that this request has begun.
    pub(super) fn note_new(&mut self, change: &MetaChange) {
        let meta = change.apply(&Meta::default());
        self.meta = Some(meta.filter(|_| !change.is_empty()).map(Box::new));
    }

    /// Forgets the metadata of a session that has ended.
    pub(super) fn forget_metadata(&mut self) {
        self.meta = None;
        self.new_ttl = None;
    }

    /// Returns the metadata; the outer `None` if it is not known.
    pub(super) fn metadata(&self) -> Option<Option<&Meta>> {
        self.meta.as_ref().map(Option::as_deref)
    }

    /// Returns the session's own time to live, with what this request has set.
    pub(super) fn own_ttl(&self) -> OwnTtl {
        self.new_ttl.or_else(|| self.metadata().map(|meta| meta.and_then(Meta::ttl)))
    }

    /// Returns what is known of the session.
    pub(super) fn facts(&self) -> Facts<'_> {
        let user = self.metadata().map(|meta| meta.and_then(Meta::user));
        Facts { own_ttl: self.own_ttl(), user }
    }

    /// Notes a change of metadata that is stored.
    pub(super) fn note_changed(&mut self, change: &MetaChange) {
        let before = self.meta.take().flatten().map(|meta| *meta).unwrap_or_default();
        self.meta = Some(Some(Box::new(change.apply(&before).unwrap_or(before))));
    }

    /// Returns how long the session lives after this request, unless that depends on metadata that
    /// is not known.
    pub(super) fn cookie_ttl(&self, lifetime: Lifetime) -> Option<Duration> {
        let own_ttl = self.own_ttl()?;
        let ttl = own_ttl.unwrap_or(lifetime.ttl);
        let left = self.metadata().flatten().and_then(|meta| lifetime.left_of_absolute(meta));
        Some(left.map_or(ttl, |left| ttl.min(left)))
    }

    /// Continues with the id that the session has moved to.
    pub(super) fn follow(&mut self, id: SessionId) {
        self.phase = Phase::Unverified(id);
        self.is_followed = true;
    }

    /// Returns the id that the client would be told, if the session may have moved on meanwhile.
    pub(super) fn unproved(&self) -> Option<&SessionId> {
        match &self.phase {
            Phase::Known(id, _) if self.is_followed && self.used => Some(id),
            _ => None,
        }
    }

    /// Returns an error if the session is closed or has failed.
    pub(super) fn check(&mut self, access: Access) -> Result<()> {
        self.was_asked = true;
        if matches!(self.phase, Phase::Closed) {
            return Err(Error::Closed);
        }
        if access == Access::Write && self.failure.is_none() {
            self.failure.clone_from(&self.read_failure);
        }
        let failure = self.failure.as_ref().or(self.read_failure.as_ref());
        failure.map_or(Ok(()), |failure| Err(failure.clone().into()))
    }

    /// Returns the session's id, verified or not.
    pub(super) fn id(&self) -> Option<SessionId> {
        match &self.phase {
            Phase::Unverified(id) | Phase::Known(id, _) => Some(id.clone()),
            Phase::Absent | Phase::Closed => None,
        }
    }

    /// Returns the session as it was loaded. The outer `None` means that it has to be loaded.
    pub(super) fn loaded(&mut self, access: Access) -> Result<Option<Option<Snapshot>>> {
        self.check(access)?;
        Ok(match &self.phase {
            Phase::Known(_, Some(base)) => Some(Some(base.clone())),
            Phase::Absent => Some(None),
            _ => None,
        })
    }

    pub(super) fn is_known(&self) -> bool {
        matches!(self.phase, Phase::Known(..))
    }

    /// Returns whether this is still the session's id: it was not renewed, ended or closed since.
    pub(super) fn is_current(&self, id: &SessionId) -> bool {
        matches!(&self.phase, Phase::Unverified(current) | Phase::Known(current, _) if current == id)
    }

    /// Records that the session with this id exists, if the id is still unverified.
    pub(super) fn mark_known(&mut self, id: SessionId) {
        if matches!(&self.phase, Phase::Unverified(claimed) if *claimed == id) {
            self.set_known(id, None);
        }
    }

    pub(super) fn set_known(&mut self, id: SessionId, base: Option<Snapshot>) {
        self.phase = Phase::Known(id, base);
        self.drop_other_claims();
    }

    /// Records that a claimed id is unknown, if it is still unverified. Returns whether it was; the
    /// next claim then takes its place.
    pub(super) fn mark_unknown(&mut self, id: &SessionId) -> bool {
        let is_unverified = matches!(&self.phase, Phase::Unverified(claimed) if claimed == id);
        if is_unverified {
            self.phase = match self.next_claim() {
                Some(next) => {
                    self.claim = Some(next.clone());
                    self.meta = None;
                    Phase::Unverified(next)
                }
                None => Phase::Absent,
            };
        }
        is_unverified
    }

    /// Returns whether there are claims to be verified if the current one is unknown.
    pub(super) fn has_other_claims(&self) -> bool {
        self.further_claims.as_ref().is_some_and(|claims| !claims.others.is_empty())
    }

    pub(super) fn drop_other_claims(&mut self) {
        if let Some(claims) = &mut self.further_claims {
            claims.others.clear();
        }
    }

    fn next_claim(&mut self) -> Option<SessionId> {
        self.further_claims.as_mut()?.others.pop_front()
    }

    /// Keeps a claim that was found unknown otherwise than by reading it: it may be renewed.
    pub(super) fn add_unread(&mut self, id: SessionId) {
        self.further_claims.get_or_insert_default().unread.push(id);
    }

    /// Takes the claims that were found unknown otherwise than by reading them.
    pub(super) fn take_unread(&mut self) -> Vec<SessionId> {
        self.further_claims.as_mut().map(|claims| mem::take(&mut claims.unread)).unwrap_or_default()
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
    pub(super) fn record(&mut self, access: Access, error: Error) -> Error {
        let failure = match error {
            Error::Timeout => Failure::Timeout,
            Error::Storage(cause) => Failure::Storage(Arc::new(cause)),
            other => return other,
        };
        match access {
            Access::Read => self.read_failure.get_or_insert(failure).clone().into(),
            Access::Write => self.fail(failure),
        }
    }

    /// Records the failure of a write unless there is an earlier one, and returns the first.
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
            Failure::Storage(cause) => Self::Storage(Arc::unwrap_or_clone(cause)),
        }
    }
}
