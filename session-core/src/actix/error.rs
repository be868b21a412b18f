//! Errors as responses, so that `?` works in any handler.

use actix_web::{
    HttpResponse, ResponseError,
    http::{
        StatusCode,
        header::{self, ContentType},
    },
};

use crate::Error;

/// What a handler answers that gives up with `?`.
///
/// - 503 Service Unavailable with `Retry-After`, if the store failed: what was written is not
///   confirmed.
/// - 409 Conflict, if the session ended while the request was running, or the id chosen for it is
///   taken: what was written to it is dropped.
/// - 500 Internal Server Error otherwise: a fault of the application.
///
/// The body is one plain sentence and tells nothing internal.
impl ResponseError for Error {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::Timeout | Self::Storage(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Vanished | Self::IdTaken => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let status = self.status_code();
        let mut response = HttpResponse::build(status);
        response.content_type(ContentType::plaintext());
        let sentence = match status {
            StatusCode::SERVICE_UNAVAILABLE => {
                response.insert_header((header::RETRY_AFTER, "1"));
                "The session store cannot be reached. Please try again in a moment.\n"
            }
            StatusCode::CONFLICT => {
                "The session ended while this request was running. Please try again.\n"
            }
            _ => "Something went wrong on the server.\n",
        };
        response.body(sentence)
    }
}
