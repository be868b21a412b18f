//! The walkthrough as a web page: one document with its own style sheet, script and icon.

mod about;
mod form;
mod html;
mod status;
mod store_location;

use actix_web::{
    HttpRequest, HttpResponse, Responder,
    http::header::{self, ContentType},
    web,
};
use session_core::Manager;

pub(crate) use about::About;
use html::View;

/// Forbids content from other origins, inline scripts and styles, and HTML built from strings.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
     connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'";

pub(super) fn register(app: &mut web::ServiceConfig) {
    app.route("/", web::to(page))
        .route("/plain", web::to(plain))
        .route("/page.css", web::to(style_sheet))
        .route("/page.js", web::to(script))
        .route("/page.svg", web::to(icon))
        // Browsers request this one when they show a response that is not the page, such as `/get`.
        .route("/favicon.ico", web::to(icon))
        .route("/status", web::to(status))
        .route("/item", web::post().to(form::item));
}

/// Answers with the page, which its script fills in. Never asks the store, so the page loads at
/// once even while the store is down.
async fn page(about: web::Data<About>) -> impl Responder {
    document(html::render(&about.blank_status(), View::Blank))
}

/// Answers with the page and the session in it, for browsers without scripts.
async fn plain(
    request: HttpRequest,
    manager: web::Data<Manager>,
    about: web::Data<About>,
) -> impl Responder {
    document(html::render(&about.status(&request, &manager).await, View::Complete))
}

/// Returns a page.
pub(super) fn document(html: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::html())
        .insert_header((header::CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "same-origin"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(html)
}

/// Answers with the data that the page's script shows.
async fn status(
    request: HttpRequest,
    manager: web::Data<Manager>,
    about: web::Data<About>,
) -> impl Responder {
    let status = about.status(&request, &manager).await;
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(status)
}

async fn style_sheet() -> impl Responder {
    asset("text/css; charset=utf-8", include_str!("page.css"))
}

async fn script() -> impl Responder {
    asset("text/javascript; charset=utf-8", include_str!("page.js"))
}

async fn icon() -> impl Responder {
    asset("image/svg+xml", include_str!("page.svg"))
}

fn asset(content_type: &str, content: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        // The script must match the page after an update of the server.
        .insert_header((header::CACHE_CONTROL, "no-cache"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .body(content)
}
