//! The extractor that gives a handler its session.

use std::{
    fmt,
    future::{Ready, ready},
    ops::Deref,
};

use actix_web::{
    FromRequest, HttpRequest, HttpResponse, ResponseError, dev::Payload, http::header::ContentType,
};

use crate::slot::Slot;

/// The session of a request, as an argument of a handler.
///
/// Derefs to [`session_core::Session`]. Extracting it does no I/O, so a request that only extracts
/// its session costs no storage operation.
///
/// If several middlewares wrap the route, it is the session of the innermost of those without a
/// name; [`NamedSession`](crate::NamedSession) gives the others.
///
/// # Errors
///
/// [`NoMiddleware`] (500, and a line in the log) if the route is not behind a
/// [`SessionMiddleware`](crate::SessionMiddleware) without a name.
///
/// # Examples
///
/// A unit test of a handler needs neither server nor middleware:
///
/// ```
/// use session_actix::{Error, Manager, MemoryStorage, Session};
///
/// async fn count(session: Session) -> Result<String, Error> {
///     let visits = session.get_or("visits", 0).await? + 1;
///     session.set("visits", visits).await?;
///     Ok(format!("Visit number {visits}.\n"))
/// }
///
/// # #[actix_web::main] async fn main() -> Result<(), Error> {
/// let manager = Manager::builder(MemoryStorage::new()).build()?;
/// let session = Session::from(manager.open(None));
/// assert_eq!(count(session.clone()).await?, "Visit number 1.\n");
/// assert_eq!(count(session).await?, "Visit number 2.\n");
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
pub struct Session(session_core::Session);

impl Deref for Session {
    type Target = session_core::Session;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

/// Wraps an open session, so that a unit test can pass it to a handler.
impl From<session_core::Session> for Session {
    fn from(session: session_core::Session) -> Self {
        Self(session)
    }
}

impl FromRequest for Session {
    type Error = NoMiddleware;
    type Future = Ready<Result<Self, NoMiddleware>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let session = Slot::open_named(request, None).ok_or_else(|| {
            log::error!(
                "{} asks for a session without the middleware: \
                 add `.wrap(SessionMiddleware::builder(manager).build()?)` to the App",
                request.match_pattern().unwrap_or_default()
            );
            NoMiddleware
        });
        ready(session.map(Self))
    }
}

/// The error of extracting a [`Session`] or a [`NamedSession`](crate::NamedSession) on a route that
/// is not behind its [`SessionMiddleware`](crate::SessionMiddleware). Its response is a 500.
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
