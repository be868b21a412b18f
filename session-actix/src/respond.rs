//! Turns a handler's response into the one that is sent, after the session is closed.

use actix_web::{ResponseError, body::EitherBody, dev::ServiceResponse};
use session_core::{Closed, Error, Outcome};

use crate::{inner_error::InnerError, slot::Slot};

type Response<B> = Result<ServiceResponse<B>, actix_web::Error>;

/// The sessions inside of another one that have added headers to a response, innermost first. They
/// are part of the response, in case that the outer session replaces it.
#[derive(Default)]
struct InnerSessions(Vec<(Closed, Slot)>);

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
    let mut response = match (response, failure) {
        (Ok(response), None) => response.map_into_left_body(),
        (Ok(response), Some(failure)) => replace(response, &failure).map_into_right_body(),
        (Err(error), failure) => return Err(InnerError::wrap(error, failure, closed, slot)),
    };
    slot.add_headers(&closed, response.headers_mut());
    if slot.has_outer() && !says_nothing(&closed) {
        let mut extensions = response.response_mut().extensions_mut();
        let mut inner: InnerSessions = extensions.remove().unwrap_or_default();
        inner.0.push((closed, slot.clone()));
        extensions.insert(inner);
    }
    Ok(response)
}

/// Returns whether a session has no header for its client.
pub(crate) fn says_nothing(closed: &Closed) -> bool {
    !closed.was_used && closed.outcome == Outcome::Untouched
}

/// Returns the response of a failure, with the headers of inner sessions: those are stored.
fn replace<B>(response: ServiceResponse<B>, failure: &Error) -> ServiceResponse {
    let (request, mut replaced) = response.into_parts();
    let mut response = failure.error_response();
    if let Some(inner) = replaced.extensions_mut().remove::<InnerSessions>() {
        for (closed, slot) in &inner.0 {
            slot.add_headers(closed, response.headers_mut());
        }
        response.extensions_mut().insert(inner);
    }
    ServiceResponse::new(request, response)
}

/// Returns an error with its causes, in one line for the log.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
