//! Where a request keeps its session.

use std::{cell::OnceCell, iter::successors, ptr, rc::Rc};

use actix_web::{HttpMessage, HttpRequest, http::header::HeaderMap};
use session_core::{Closed, Manager, Session};

use crate::{
    name::Name,
    shared::{OfWorker, Shared},
    transport::Client,
};

/// The session of one request. Empty until a handler asks for it, so that other requests pay
/// nothing.
#[derive(Clone)]
pub(crate) struct Slot(Rc<Content>);

struct Content {
    worker: Rc<OfWorker>,
    opened: OnceCell<Opened>,
    /// The slot of the next session middleware outside of this one.
    outer: OnceCell<Slot>,
    /// The slot of the same middleware farther outside, which has the session instead of this one.
    same: OnceCell<Slot>,
}

struct Opened {
    session: Session,
    client: Client,
}

impl Slot {
    pub(crate) fn new(worker: Rc<OfWorker>) -> Self {
        let (opened, outer, same) = Default::default();
        Self(Rc::new(Content { worker, opened, outer, same }))
    }

    /// Records the slot of the next session middleware outside of this one.
    ///
    /// Returns whether this slot has a session of its own: none of those outside is of the same
    /// middleware.
    pub(crate) fn set_outer(&self, outer: Slot) -> bool {
        let same = outer.iter().find(|slot| ptr::eq(slot.shared(), self.shared())).cloned();
        let has_session = same.is_none();
        let mut is_first = same.is_none_or(|same| self.0.same.set(same).is_ok());
        is_first &= self.0.outer.set(outer).is_ok();
        debug_assert!(is_first, "a slot is put into one request, once");
        has_session
    }

    pub(crate) fn has_outer(&self) -> bool {
        self.0.outer.get().is_some()
    }

    /// Opens the innermost session of this name that the request has. No I/O.
    pub(crate) fn open_named(request: &HttpRequest, name: Option<Name>) -> Option<Session> {
        // Cloned, because the extensions must not stay borrowed.
        let slot = request
            .extensions()
            .get::<Self>()?
            .iter()
            .find(|slot| slot.shared().name == name)
            .cloned();
        Some(slot?.open(request))
    }

    /// Iterates over this slot and those outside of it.
    fn iter(&self) -> impl Iterator<Item = &Self> {
        successors(Some(self), |slot| slot.0.outer.get())
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.worker.middleware
    }

    pub(crate) fn manager(&self) -> &Manager {
        &self.0.worker.manager
    }

    /// Returns the session if it was asked for.
    pub(crate) fn opened(&self) -> Option<&Session> {
        self.0.opened.get().map(|opened| &opened.session)
    }

    /// Returns the session, opening it with the ids that the request claims.
    fn open(&self, request: &HttpRequest) -> Session {
        if let Some(same) = self.0.same.get() {
            return same.open(request);
        }
        let open = || {
            let (manager, transport) = (self.manager(), &self.shared().transport);
            let headers = request.headers();
            let is_told_in_header = transport.tells_in_header(headers);
            let claims = transport.claims(headers);
            claims.refused().for_each(|reason| manager.refuse_claim(reason));
            let (claims, outdated) = claims.into_parts();
            Opened {
                session: manager.open_any(claims),
                client: Client { is_told_in_header, outdated },
            }
        };
        self.0.opened.get_or_init(open).session.clone()
    }

    /// Returns whether the client is sent the id of its closed session again.
    pub(crate) fn sends_again(&self, closed: &Closed) -> bool {
        let transport = &self.shared().transport;
        self.0.opened.get().is_some_and(|opened| transport.sends_again(closed, &opened.client))
    }

    /// Returns whether the age of a new cookie may depend on what the request has not read.
    pub(crate) fn needs_ttl(&self, closed: &Closed) -> bool {
        self.shared().transport.needs_ttl(closed)
    }

    /// Adds the headers that tell the client about its closed session.
    pub(crate) fn add_headers(&self, closed: &Closed, headers: &mut HeaderMap) {
        let (manager, transport) = (self.manager(), &self.shared().transport);
        if let Some(Opened { client, .. }) = self.0.opened.get() {
            transport.add_headers(closed, client, manager, headers);
        }
    }
}
