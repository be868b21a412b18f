//! The session as an argument of a handler.

use std::{
    cell::OnceCell,
    fmt,
    future::{Ready, ready},
    ops::Deref,
    rc::Rc,
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest, HttpResponse, ResponseError, dev::Payload,
    http::header::ContentType,
};

use crate::middleware::Shared;

/// The request's session: name it as an argument of a handler.
///
/// Derefs to [`session_core::Session`]. Extracting does no I/O; a request that only extracts its
/// session costs no storage operation.
///
/// # Errors
///
/// Extraction fails with [`NoMiddleware`] (500, and a line in the log) on a route that is
/// not behind a [`SessionMiddleware`](crate::SessionMiddleware).
#[derive(Clone, Debug)]
pub struct Session(session_core::Session);

impl Deref for Session {
    type Target = session_core::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl FromRequest for Session {
    type Error = NoMiddleware;
    type Future = Ready<Result<Self, NoMiddleware>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let slot = request.extensions().get::<Slot>().cloned();
        ready(match slot {
            Some(slot) => Ok(Self(slot.open(request))),
            None => {
                log::error!(
                    "{} asks for a session without the middleware: \
                     add `.wrap(SessionMiddleware::builder(manager).build()?)` to the App",
                    request.match_pattern().unwrap_or_default()
                );
                Err(NoMiddleware)
            }
        })
    }
}

/// The route is not behind a [`SessionMiddleware`](crate::SessionMiddleware). Answered with 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoMiddleware;

impl fmt::Display for NoMiddleware {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no session middleware")
    }
}

impl std::error::Error for NoMiddleware {}

impl ResponseError for NoMiddleware {
    fn error_response(&self) -> HttpResponse {
        HttpResponse::InternalServerError()
            .content_type(ContentType::plaintext())
            .body("Something went wrong on the server.\n")
    }
}

/// The place of a session in its request. Empty until somebody asks, so that other requests pay
/// nothing.
#[derive(Clone)]
pub(crate) struct Slot(Rc<Place>);

struct Place {
    shared: Arc<Shared>,
    session: OnceCell<session_core::Session>,
}

impl Slot {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(Rc::new(Place { shared, session: OnceCell::new() }))
    }

    pub(crate) fn opened(&self) -> Option<&session_core::Session> {
        self.0.session.get()
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.0.shared
    }

    fn open(&self, request: &HttpRequest) -> session_core::Session {
        let open = || {
            let shared = self.shared();
            shared.manager.open(shared.transport.claim(request.headers()))
        };
        self.0.session.get_or_init(open).clone()
    }
}
