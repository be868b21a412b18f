//! Turns a handler's response into the one that is sent, after the session is closed.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    body::{BoxBody, EitherBody},
    dev::ServiceResponse,
    http::{StatusCode, header::HeaderMap},
};
use session_core::Closed;

use crate::shared::Shared;

type Response<B> = Result<ServiceResponse<B>, actix_web::Error>;

/// Adds the cookie to a response. Replaces the response if the session failed.
pub(crate) fn finish<B>(
    response: Response<B>,
    closed: Closed,
    shared: &Shared,
) -> Response<EitherBody<B>> {
    let Closed { outcome, failure, .. } = closed;
    if let Some(failure) = &failure {
        log::debug!("{}", chain(failure));
    }
    let add_headers = |headers: &mut HeaderMap| {
        shared.transport.add_headers(&outcome, &shared.manager, headers);
    };
    match (response, failure) {
        (Ok(response), None) => {
            let mut response = response.map_into_left_body();
            add_headers(response.headers_mut());
            Ok(response)
        }
        (Ok(response), Some(failure)) => {
            let (request, _) = response.into_parts();
            let mut response = ServiceResponse::new(request, failure.error_response());
            add_headers(response.headers_mut());
            Ok(response.map_into_right_body())
        }
        (Err(error), failure) => {
            let error = failure.map_or(error, actix_web::Error::from);
            let mut headers = HeaderMap::new();
            add_headers(&mut headers);
            Err(if headers.is_empty() { error } else { WithHeaders { error, headers }.into() })
        }
    }
}

/// An error of an inner middleware, with the headers that its response still has to carry.
#[derive(Debug)]
struct WithHeaders {
    error: actix_web::Error,
    headers: HeaderMap,
}

impl fmt::Display for WithHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl ResponseError for WithHeaders {
    fn status_code(&self) -> StatusCode {
        self.error.as_response_error().status_code()
    }

    fn error_response(&self) -> HttpResponse<BoxBody> {
        let mut response = self.error.error_response();
        for (name, value) in &self.headers {
            response.headers_mut().append(name.clone(), value.clone());
        }
        response
    }
}

/// Returns an error with its causes, in one line for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
