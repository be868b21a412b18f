//! The extractor of a session that has a name.

use std::{
    fmt,
    future::{Ready, ready},
    marker::PhantomData,
    ops::Deref,
};

use actix_web::{FromRequest, HttpRequest, dev::Payload};

use crate::{extract::NoMiddleware, name::Name, slot::Slot};

/// One of several sessions of a request, as an argument of a handler: that of the middleware which
/// is [named](crate::SessionMiddlewareBuilder::named) by the type `N`.
///
/// Otherwise like [`Session`](crate::Session): it derefs to [`session_core::Session`], and
/// extracting it does no I/O. Any type can be a name; one that has no other use says most.
///
/// # Errors
///
/// [`NoMiddleware`] (500, and a line in the log) if the route is not behind a middleware of this
/// name.
///
/// # Examples
///
/// A unit test of a handler needs no middleware:
///
/// ```
/// use session_actix::{Error, Manager, MemoryStorage, NamedSession, Session};
///
/// struct Admin;
///
/// async fn page(visitor: Session, admin: NamedSession<Admin>) -> Result<String, Error> {
///     let visits = visitor.get_or("visits", 0).await?;
///     let name = admin.get_or("name", "nobody".to_owned()).await?;
///     Ok(format!("{name} has visited the shop {visits} times"))
/// }
///
/// # #[actix_web::main] async fn main() -> Result<(), Error> {
/// let manager = Manager::builder(MemoryStorage::new()).build()?;
/// let visitor = Session::from(manager.open(None));
/// let admin = NamedSession::from(manager.open(None));
/// admin.set("name", "bob").await?;
/// assert_eq!(page(visitor, admin).await?, "bob has visited the shop 0 times");
/// # Ok(()) }
/// ```
pub struct NamedSession<N: 'static> {
    session: session_core::Session,
    // A function, so that the session is `Send` and `Sync` whatever its name is.
    name: PhantomData<fn() -> N>,
}

impl<N> Deref for NamedSession<N> {
    type Target = session_core::Session;

    fn deref(&self) -> &Self::Target {
        &self.session
    }
}

/// Wraps an open session, so that a unit test can pass it to a handler.
impl<N> From<session_core::Session> for NamedSession<N> {
    fn from(session: session_core::Session) -> Self {
        Self { session, name: PhantomData }
    }
}

// By hand: derived code would ask the same of the name.
impl<N> Clone for NamedSession<N> {
    fn clone(&self) -> Self {
        self.session.clone().into()
    }
}

impl<N> fmt::Debug for NamedSession<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NamedSession").field(&self.session).finish()
    }
}

impl<N> FromRequest for NamedSession<N> {
    type Error = NoMiddleware;
    type Future = Ready<Result<Self, NoMiddleware>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let name = Name::of::<N>();
        let session = Slot::open_named(request, Some(name)).ok_or_else(|| {
            log::error!(
                "{} asks for the session {name} without its middleware: add \
                 `.wrap(SessionMiddleware::builder(manager).named::<{name}>().build()?)` to the \
                 App or to a scope",
                request.match_pattern().unwrap_or_default(),
                name = name.text
            );
            NoMiddleware
        });
        ready(session.map(Self::from))
    }
}
