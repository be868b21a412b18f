//! What a response becomes once its session is closed.

use std::fmt;

use actix_web::{
    HttpResponse, ResponseError,
    body::{BoxBody, EitherBody},
    dev::ServiceResponse,
    http::{StatusCode, header::HeaderMap},
};
use session_core::Closed;

use crate::shared::Shared;

type Answer<B> = Result<ServiceResponse<B>, actix_web::Error>;

/// Adds the cookie, and puts the session's failure in the place of any other answer.
pub(crate) fn after<B>(
    answer: Answer<B>,
    closed: Closed,
    shared: &Shared,
) -> Answer<EitherBody<B>> {
    let Closed { outcome, failure, .. } = closed;
    if let Some(failure) = &failure {
        log::debug!("{}", chain(failure));
    }
    let tell = |headers: &mut HeaderMap| {
        shared.transport.tell(&outcome, &shared.manager, headers);
    };
    match (answer, failure) {
        (Ok(response), None) => {
            let mut response = response.map_into_left_body();
            tell(response.headers_mut());
            Ok(response)
        }
        (Ok(response), Some(failure)) => {
            let (request, _) = response.into_parts();
            let mut response = ServiceResponse::new(request, failure.error_response());
            tell(response.headers_mut());
            Ok(response.map_into_right_body())
        }
        (Err(error), failure) => {
            let error = failure.map_or(error, actix_web::Error::from);
            let mut headers = HeaderMap::new();
            tell(&mut headers);
            Err(if headers.is_empty() { error } else { WithHeaders { error, headers }.into() })
        }
    }
}

/// The error of an inner middleware, whose response still has to carry the cookie.
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

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
