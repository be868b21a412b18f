//! The page for people: one document with a style, a script and a picture of its own.

mod about;
mod edit;
mod form;
mod html;
mod status;

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    http::header::{self, ContentType},
    web,
};
use session_core::Manager;

pub(crate) use about::About;
use html::View;

/// Nothing from elsewhere, nothing inline, nothing built from text.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'";

pub(super) fn register(app: &mut web::ServiceConfig) {
    app.route("/", web::to(page))
        .route("/plain", web::to(plain))
        .route("/page.css", web::to(style))
        .route("/page.js", web::to(script))
        .route("/page.svg", web::to(picture))
        // What browsers ask for beside `/get`.
        .route("/favicon.ico", web::to(picture))
        .route("/status", web::to(status))
        .route("/item", web::post().to(form::item));
}

/// Answers the page for its script to fill in. Never touches the store, so it is there at once
/// even when that is not.
async fn page(about: web::Data<About>) -> impl Responder {
    document(html::render(&about.blank(), View::Blank))
}

/// Answers the page complete with the session, for browsers without scripts.
async fn plain(
    request: HttpRequest,
    manager: web::Data<Manager>,
    about: web::Data<About>,
) -> impl Responder {
    document(html::render(&about.look(&request, &manager).await, View::Complete))
}

fn document(html: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(html)
}

/// Answers what the page's script shows.
async fn status(
    request: HttpRequest,
    manager: web::Data<Manager>,
    about: web::Data<About>,
) -> impl Responder {
    let status = about.look(&request, &manager).await;
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(status)
}

async fn style() -> impl Responder {
    part("text/css; charset=utf-8", include_str!("page.css"))
}

async fn script() -> impl Responder {
    part("text/javascript; charset=utf-8", include_str!("page.js"))
}

async fn picture() -> impl Responder {
    part("image/svg+xml", include_str!("page.svg"))
}

fn part(content_type: &str, content: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        // After an update of the server its page and its script must fit.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(content)
}
