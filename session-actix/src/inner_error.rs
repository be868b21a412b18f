//! The error of an inner middleware, with the headers of the session.

use std::fmt;

use actix_web::{
    Error, HttpResponse, ResponseError,
    http::{StatusCode, header::HeaderMap},
};
use session_core::Closed;

use crate::{respond::says_nothing, slot::Slot};

/// The error of a middleware inside of the session middleware, after the request has used its
/// session.
///
/// Status and response are those of the [original error](Self::error). The response also has the
/// session's headers, such as the cookie of a new session. Neither `Debug` nor `Display` shows
/// them.
///
/// Errors of handlers are responses before they reach a middleware, so they are not wrapped.
///
/// # Examples
///
/// A middleware outside of the session middleware that looks for an error of its own:
///
/// ```
/// use actix_web::{Error, ResponseError};
/// use session_actix::InnerError;
///
/// fn find<E: ResponseError + 'static>(error: &Error) -> Option<&E> {
///     // `as_error` of actix-web does not look inside.
///     error.as_error::<InnerError>().map_or(error, InnerError::error).as_error()
/// }
/// ```
// A wrapper, although `Error::add_response_mapper` would need none: `HttpResponse::from_error`, by
// which many middlewares turn an error into a response, ignores the mappers (actix-web 4.18), and
// the cookie would be lost.
pub struct InnerError {
    error: Error,
    /// What a failure of this session has replaced. It may have headers of inner sessions.
    replaced: Option<Error>,
    closed: Closed,
    slot: Slot,
}

impl InnerError {
    /// Wraps an error unless its response needs no header. A failure of the session replaces it.
    pub(crate) fn wrap(
        error: Error,
        failure: Option<session_core::Error>,
        closed: Closed,
        slot: &Slot,
    ) -> Error {
        if failure.is_none() && says_nothing(&closed) {
            return error;
        }
        let (error, replaced) = match failure {
            Some(failure) => (failure.into(), Some(error)),
            None => (error, None),
        };
        Self { error, replaced, closed, slot: slot.clone() }.into()
    }

    /// Adds the headers of this session and of those inside of it.
    fn add_headers(&self, headers: &mut HeaderMap) {
        for inner in [Some(&self.error), self.replaced.as_ref()].into_iter().flatten() {
            if let Some(inner) = inner.as_error::<Self>() {
                inner.add_headers(headers);
            }
        }
        self.slot.add_headers(&self.closed, headers);
    }

    /// Returns the original error, also through several session middlewares.
    #[must_use]
    pub fn error(&self) -> &Error {
        self.error.as_error::<Self>().map_or(&self.error, Self::error)
    }
}

impl fmt::Debug for InnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InnerError").field(&self.error).finish()
    }
}

impl fmt::Display for InnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for InnerError {}

impl ResponseError for InnerError {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse {
        // That of an inner session's error would repeat the headers that follow.
        let mut response = self.error().error_response();
        self.add_headers(response.headers_mut());
        response
    }
}
