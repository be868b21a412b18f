//! The routes that monitoring asks.

use actix_web::{HttpResponse, Responder, web};
use session_core::Manager;

/// Answers 200 while the process runs. Never asks the store.
pub(super) async fn healthz() -> impl Responder {
    "ok"
}

/// Asks the store, and answers 503 if it is not ready.
pub(super) async fn readyz(manager: web::Data<Manager>) -> impl Responder {
    if manager.is_ready().await {
        HttpResponse::Ok().body("ok")
    } else {
        HttpResponse::ServiceUnavailable()
            .insert_header(("Retry-After", "1"))
            .body("The session store does not answer.\n")
    }
}
