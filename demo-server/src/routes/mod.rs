//! What the server answers.

mod page;
mod people;
mod query;
mod sessions;

use actix_web::{HttpResponse, Responder, web};
use session_core::Manager;

pub(crate) use page::About;

/// Adds every route, for any method.
pub(crate) fn register(app: &mut web::ServiceConfig) {
    app.configure(page::register)
        .route("/set", web::to(sessions::set))
        .route("/get", web::to(sessions::get))
        .route("/del", web::to(sessions::del))
        .route("/healthz", web::to(healthz))
        .route("/readyz", web::to(readyz));
}

/// Answers as long as the process does; never touches the store.
async fn healthz() -> impl Responder {
    "ok"
}

/// Asks the store.
async fn readyz(manager: web::Data<Manager>) -> impl Responder {
    if manager.is_ready().await {
        HttpResponse::Ok().body("ok")
    } else {
        HttpResponse::ServiceUnavailable()
            .insert_header(("Retry-After", "1"))
            .body("The session store does not answer.\n")
    }
}
