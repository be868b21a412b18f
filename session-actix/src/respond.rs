//! Turns a handler's response into the one that is sent, after the session is closed.

use actix_web::{ResponseError, body::EitherBody, dev::ServiceResponse};
use session_core::Closed;

use crate::{inner_error::InnerError, slot::Slot};

type Response<B> = Result<ServiceResponse<B>, actix_web::Error>;

/// Adds the session's headers to a response. Replaces the response if the session failed.
pub(crate) fn finish<B>(
    response: Response<B>,
    mut closed: Closed,
    slot: &Slot,
) -> Response<EitherBody<B>> {
    let failure = closed.failure.take();
    if let Some(failure) = &failure {
        log::debug!("{}", chain(failure));
    }
    match (response, failure) {
        (Ok(response), None) => {
            let mut response = response.map_into_left_body();
            slot.add_headers(&closed, response.headers_mut());
            Ok(response)
        }
        (Ok(response), Some(failure)) => {
            let (request, _) = response.into_parts();
            let mut response = ServiceResponse::new(request, failure.error_response());
            slot.add_headers(&closed, response.headers_mut());
            Ok(response.map_into_right_body())
        }
        (Err(error), failure) => {
            let error = failure.map_or(error, actix_web::Error::from);
            Err(InnerError::wrap(error, closed, slot))
        }
    }
}

/// Returns an error with its causes, in one line for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
