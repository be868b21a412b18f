//! The middleware that opens and closes the session of each request.

use std::{
    future::{Future, Ready, ready},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, ready as poll_ready},
};

use actix_web::{
    Error, HttpMessage,
    body::{EitherBody, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform},
};
use pin_project_lite::pin_project;
use session_core::{Closed, Manager, SessionId};

use crate::{
    builder::SessionMiddlewareBuilder,
    respond,
    shared::{OfWorker, Shared},
    slot::Slot,
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
/// Build the middleware once and clone it into each worker's app. If the same middleware wraps a
/// route twice, only the outer one has an effect.
///
/// An app can have several sessions, each with a middleware of its own: with another cookie, and
/// with its own manager if it has another time to live or another storage. They can wrap the same
/// routes, in any order. [`named`](SessionMiddlewareBuilder::named) gives them types as names, by
/// which handlers ask for them.
#[derive(Clone, Debug)]
pub struct SessionMiddleware(pub(crate) Arc<Shared>);

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
        SessionMiddlewareBuilder::new(manager)
    }

    /// Returns what a client is sent for an id, and sends back: with [signing
    /// keys](SessionMiddlewareBuilder::signing_keys) the signed id, otherwise the id itself.
    ///
    /// For tests that send the cookie of a session which they have stored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use session_core::{Manager, MemoryStorage};
    /// # #[actix_web::main] async fn main() -> session_core::Result<()> {
    /// # let manager = Manager::builder(MemoryStorage::new()).build()?;
    /// use session_actix::{SessionId, SessionMiddleware};
    ///
    /// let sessions = SessionMiddleware::builder(manager).build()?;
    /// let cookie = format!("__Host-id={}", sessions.token(&SessionId::parse("of-bob")?));
    /// assert_eq!(cookie, "__Host-id=of-bob");
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn token(&self, id: &SessionId) -> String {
        self.0.transport.token(id).into_owned()
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
        ready(Ok(SessionService { service, worker: Rc::new(OfWorker::new(self.0.clone())) }))
    }
}

/// The service that a [`SessionMiddleware`] wraps around another.
pub struct SessionService<S> {
    service: S,
    worker: Rc<OfWorker>,
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
        let slot = Slot::new(self.worker.clone());
        let outer = request.extensions_mut().insert(slot.clone());
        let has_session = outer.clone().is_none_or(|outer| slot.set_outer(outer));
        let slot = has_session.then_some(slot);
        let state = State::Serving { response: self.service.call(request) };
        SessionFuture { slot, outer, state }
    }
}

pin_project! {
    /// The future of a response: waits for the inner service, then closes the session.
    pub struct SessionFuture<F, B> {
        // `None` if the same middleware is also outside of this one, and will close the session.
        slot: Option<Slot>,
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
                    let slot = this.slot.as_ref();
                    let Some((slot, session)) = slot.and_then(|slot| Some((slot, slot.opened()?)))
                    else {
                        return Poll::Ready(response.map(ServiceResponse::map_into_left_body));
                    };
                    let closed = match session.try_close() {
                        Some(closed) if !slot.sends_again(&closed) && !slot.needs_ttl(&closed) => {
                            return Poll::Ready(respond::finish(response, closed, slot));
                        }
                        closed => closed,
                    };
                    let (session, slot) = (session.clone(), slot.clone());
                    let close = Box::pin(async move {
                        let closed = match closed {
                            Some(closed) => closed,
                            None => session.close().await,
                        };
                        // Another request may have renewed or ended the session meanwhile. Its
                        // cookie must not replace the one that the client was sent then.
                        match slot.sends_again(&closed) || slot.needs_ttl(&closed) {
                            true => slot.manager().confirm(closed).await,
                            false => closed,
                        }
                    });
                    this.state.set(State::Closing { response: Some(response), close });
                }
                Stage::Closing { response, close } => {
                    let closed = poll_ready!(close.as_mut().poll(context));
                    let response = response.take().expect("polled after it was ready");
                    let slot = this.slot.as_ref().expect("only a session of this slot is closed");
                    return Poll::Ready(respond::finish(response, closed, slot));
                }
            }
        }
    }
}
