//! Errors as responses, so that handlers can use `?`.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, ContentType},
    },
};

use crate::Error;

/// The response when a handler returns this error with `?`.
///
/// - 503 Service Unavailable with `Retry-After` if the store failed. Changes are not confirmed.
/// - 409 Conflict if the session ended while the request was running, or the new session's id is
///   taken. Changes are discarded.
/// - 409 Conflict as well if the user has as many sessions as are allowed.
/// - 500 Internal Server Error otherwise, because the application is at fault.
///
/// The body is a plain-text message without internal details.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Timeout | Self::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Vanished | Self::IdTaken | Self::TooManySessions => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        response.content_type(ContentType::plaintext());
        let message = match self {
            Self::Timeout | Self::Storage(_) => {
                response.insert_header((header::RETRY_AFTER, "1"));
                "The session store cannot be reached. Please try again in a moment.\n"
            }
            Self::Vanished => {
                "The session ended while this request was running. Please try again.\n"
            }
            Self::TooManySessions => "Too many sessions are open. Please log out of another one.\n",
            Self::IdTaken => "The id for the new session is taken by another session.\n",
            _ => "Something went wrong on the server.\n",
        };
        response.body(message)
    }
}
