//! Where a request keeps its session.

use std::{cell::OnceCell, rc::Rc, sync::Arc};

use actix_web::HttpRequest;

use crate::shared::Shared;

/// The session of one request. Empty until a handler asks for it, so that other requests pay
/// nothing.
#[derive(Clone)]
pub(crate) struct Slot(Rc<Content>);

struct Content {
    shared: Arc<Shared>,
    session: OnceCell<session_core::Session>,
}

impl Slot {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Rc::new(Content { shared, session: OnceCell::new() }))
    }

    /// Returns the session if it was asked for.
    pub(crate) fn opened(&self) -> Option<&session_core::Session> {
        self.0.session.get()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    /// Returns the session, opening it with the id that the request claims. No I/O.
    pub(crate) fn open(&self, request: &HttpRequest) -> session_core::Session {
        let open = || {
            let shared = self.shared();
            shared.manager.open(shared.transport.claim(request.headers()))
        };
        self.0.session.get_or_init(open).clone()
    }
}
