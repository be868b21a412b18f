//! The routes of the server.

mod browser;
mod escape;
mod health;
mod item;
mod page;
mod pretty_json;
mod query;
mod sessions;
mod users;

use actix_web::web;

pub(crate) use page::About;

/// Adds every route, for any method.
pub(crate) fn register(app: &mut web::ServiceConfig) {
    app.configure(page::register)
        .configure(users::register)
        .route("/set", web::to(sessions::set))
        .route("/get", web::to(sessions::get))
        .route("/del", web::to(sessions::del))
        .route("/count", web::to(sessions::count))
        .route("/take", web::to(sessions::take))
        .route("/healthz", web::to(health::healthz))
        .route("/readyz", web::to(health::readyz));
}
