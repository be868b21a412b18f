//! The middleware that opens and closes the session of each request.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready as poll_ready},
};

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
    http::header::HeaderName,
};
use pin_project_lite::pin_project;
use session_core::{Closed, Manager};

use crate::{
    cookie::CookieConfig,
    respond,
    shared::{self, Shared},
    slot::Slot,
    transport::Transport,
};

/// Gives each request of an app its session.
///
/// A session is opened when a handler asks for it, and closed before the response begins, whatever
/// the status. A response therefore acknowledges only what is stored, and the cookie is decided
/// once. If the store failed, or if the session ended while the request wrote to it, the
/// [`Error`](crate::Error) replaces the response (503 or 409), even if the handler ignored it.
///
/// A streaming body outlives the session of its request. It can open a session of its own with
/// [`Manager::open`].
///
/// Build the middleware once and clone it into each worker's app. If several middlewares with
/// different cookies wrap a route, its handlers get the session of the innermost.
#[derive(Clone, Debug)]
pub struct SessionMiddleware(Arc<Shared>);

/// Builder of a [`SessionMiddleware`].
#[derive(Debug)]
#[must_use = "call `build` to get the middleware"]
pub struct SessionMiddlewareBuilder {
    manager: Manager,
    cookie: CookieConfig,
    header: Option<String>,
}

impl SessionMiddleware {
    /// Creates a builder with the default cookie and no header.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// use actix_web::App;
    /// use session_actix::SessionMiddleware;
    ///
    /// let sessions = SessionMiddleware::builder(manager).build()?;
    /// let app = App::new().wrap(sessions);
    /// # Ok(()) }
    /// ```
    pub fn builder(manager: Manager) -> SessionMiddlewareBuilder {
        SessionMiddlewareBuilder { manager, cookie: CookieConfig::default(), header: None }
    }
}

impl SessionMiddlewareBuilder {
    /// Sets the name and the attributes of the cookie.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// use session_actix::{CookieConfig, SessionMiddleware};
    ///
    /// let cookie = CookieConfig::new().name("__Host-shop");
    /// let sessions = SessionMiddleware::builder(manager).cookie(cookie).build()?;
    /// # Ok(()) }
    /// ```
    pub fn cookie(mut self, cookie: CookieConfig) -> Self {
        self.cookie = cookie;
        self
    }

    /// Also accepts the id in a header of this name, for clients other than browsers.
    ///
    /// The header counts only if the request has no valid cookie. A response that issues an id
    /// carries it in this header as well as in the cookie.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// # use session_actix::SessionMiddleware;
    /// let sessions = SessionMiddleware::builder(manager).header("x-session-id").build()?;
    /// # Ok(()) }
    /// ```
    pub fn header(mut self, name: impl Into<String>) -> Self {
        self.header = Some(name.into());
        self
    }

    /// Builds the middleware.
    ///
    /// # Errors
    ///
    /// [`session_core::Error::Config`] if browsers would drop the cookie, or if the name of the
    /// header is invalid.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// use session_actix::{CookieConfig, SessionMiddleware};
    ///
    /// // Browsers drop a cookie whose name begins with __Host- unless it is Secure.
    /// let cookie = CookieConfig::new().secure(false);
    /// assert!(SessionMiddleware::builder(manager).cookie(cookie).build().is_err());
    /// # Ok(()) }
    /// ```
    pub fn build(self) -> session_core::Result<SessionMiddleware> {
        self.cookie.check()?;
        let parse = |name: String| {
            HeaderName::try_from(&name).map_err(|_| {
                session_core::Error::Config(format!("header {name:?}: not the name of a header"))
            })
        };
        let header = self.header.map(parse).transpose()?;
        let transport = Transport { cookie: self.cookie, header };
        let shared = Arc::new(Shared { manager: self.manager, transport });
        shared::warn_of_second_storage(&shared);
        Ok(SessionMiddleware(shared))
    }
}

impl<S, B> Transform<S, ServiceRequest> for SessionMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Transform = SessionService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(SessionService { service, shared: self.0.clone() }))
    }
}

/// The service that a [`SessionMiddleware`] wraps around another.
pub struct SessionService<S> {
    service: S,
    shared: Arc<Shared>,
}

impl<S, B> Service<ServiceRequest> for SessionService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error>,
    B: MessageBody,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = Error;
    type Future = SessionFuture<S::Future, B>;

    fn poll_ready(&self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(context)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let slot = Slot::new(self.shared.clone());
        let outer = request.extensions_mut().insert(slot.clone());
        let state = State::Serving { response: self.service.call(request) };
        SessionFuture { slot, outer, state }
    }
}

pin_project! {
    /// The future of a response: waits for the inner service, then closes the session.
    pub struct SessionFuture<F, B> {
        slot: Slot,
        // The slot of an outer session middleware, put back into the request after the handler.
        outer: Option<Slot>,
        #[pin]
        state: State<F, B>,
    }
}

pin_project! {
    // Written by hand rather than boxed, so that only a session with changes to store allocates.
    #[project = Stage]
    enum State<F, B> {
        Serving { #[pin] response: F },
        Closing {
            response: Option<Result<ServiceResponse<B>, Error>>,
            close: Pin<Box<dyn Future<Output = Closed>>>,
        },
    }
}

impl<F, B> Future for SessionFuture<F, B>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody,
{
    type Output = Result<ServiceResponse<EitherBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                Stage::Serving { response } => {
                    let response = poll_ready!(response.poll(context));
                    if let (Some(outer), Ok(response)) = (this.outer.take(), &response) {
                        response.request().extensions_mut().insert(outer);
                    }
                    let Some(session) = this.slot.opened() else {
                        return Poll::Ready(response.map(ServiceResponse::map_into_left_body));
                    };
                    if let Some(closed) = session.try_close() {
                        return Poll::Ready(respond::finish(response, closed, this.slot.shared()));
                    }
                    let session = session.clone();
                    let close = Box::pin(async move { session.close().await });
                    this.state.set(State::Closing { response: Some(response), close });
                }
                Stage::Closing { response, close } => {
                    let closed = poll_ready!(close.as_mut().poll(context));
                    let response = response.take().expect("polled after it was ready");
                    return Poll::Ready(respond::finish(response, closed, this.slot.shared()));
                }
            }
        }
    }
}
