//! The sessions of a user: logging in and out, and a page that lists and ends them.

mod end;
mod html;
mod list;
mod login;

use actix_web::web;

pub(super) fn register(app: &mut web::ServiceConfig) {
    app.route("/login", web::to(login::login))
        .route("/logout", web::to(login::logout))
        .route("/sessions", web::to(list::sessions))
        .route("/sessions/end", web::post().to(end::end));
}
