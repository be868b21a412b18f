//! Responses for browsers, which differ from those for programs.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};

/// Returns whether the client is a browser that shows the response as a page. Requests by the
/// page's own script do not ask for HTML.
pub(super) fn accepts_html(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT).and_then(|types| types.to_str().ok());
    accepted.is_some_and(|types| types.contains("text/html"))
}

/// Returns whether the request submits a form of the page, without the page's script.
pub(super) fn is_form(request: &HttpRequest) -> bool {
    request.method() == Method::POST && accepts_html(request)
}

/// Redirects a browser without scripts to the page, which shows the result. Reloading the page
/// does not submit the form again.
pub(super) fn redirect_to_page() -> HttpResponse {
    redirect("/plain")
}

/// Redirects a browser to a page.
pub(super) fn redirect(path: &'static str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// Returns whether a page of another site has made the browser send the request.
pub(super) fn is_cross_site(request: &HttpRequest) -> bool {
    let site = request.headers().get("sec-fetch-site");
    site.is_some_and(|site| site == "cross-site" || site == "same-site")
}
