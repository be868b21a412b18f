//! Forms that other sites cannot send in the name of a visitor (CSRF).
//!
//! `cargo run -p session-actix --example csrf`, then open <http://localhost:8080>. The form carries
//! the token of its session (OWASP's synchronizer token). A POST without it is answered 403.

use std::{env, error::Error};

use actix_web::web::{self, Form, Html, Redirect};
use actix_web::{App, HttpRequest, HttpServer, Responder, Result, error::ErrorForbidden};
use session_actix::{Manager, MemoryStorage, Session, SessionId, SessionMiddleware};
use subtle::ConstantTimeEq;

#[derive(serde::Deserialize)]
struct Fields {
    token: Option<String>,
}

/// Fails with 403 unless a page of this session has sent the form.
async fn check(request: &HttpRequest, session: &Session, form: &Fields) -> Result<()> {
    // Browsers say which site has sent a form, except old ones, and all over plain HTTP.
    let site = request.headers().get("sec-fetch-site");
    let is_own_page = site.is_none_or(|site| site == "same-origin");
    let token: Option<String> = session.get("token").await?;
    let sent = form.token.as_deref().unwrap_or_default();
    // In constant time, so that the duration does not tell how much of a guess is right.
    let is_right = token.is_some_and(|token| token.as_bytes().ct_eq(sent.as_bytes()).into());
    (is_own_page && is_right).then_some(()).ok_or_else(|| ErrorForbidden("Load the page again.\n"))
}

async fn home(session: Session) -> Result<impl Responder> {
    let token = match session.get("token").await? {
        Some(token) => token,
        None => {
            let token = SessionId::random().as_str().to_owned(); // 160 random bits
            // Atomic: two tabs that open the first form of a session at once get the same token.
            session.update_or("token", token, |token| token).await?
        }
    };
    let orders = session.get_or("orders", 0).await?;
    // Nothing here needs escaping: the token is letters and digits.
    let page = format!(
        r#"<p>Orders: {orders}</p>
<form method="post"><input type="hidden" name="token" value="{token}">
<button formaction="/order">Order</button> <button formaction="/login">Log in</button></form>"#
    );
    Ok(Html::new(page).customize().insert_header(("cache-control", "no-store")))
}

async fn order(request: HttpRequest, session: Session, form: Form<Fields>) -> Result<Redirect> {
    check(&request, &session, &form).await?;
    session.update_or("orders", 0, |orders| orders + 1).await?;
    Ok(Redirect::to("/").see_other())
}

async fn login(request: HttpRequest, session: Session, form: Form<Fields>) -> Result<Redirect> {
    check(&request, &session, &form).await?;
    // A real application checks a password here. Then the id changes, and so does the token.
    session.regenerate_id().await?;
    session.remove("token").await?;
    session.set("user", "bob").await?;
    Ok(Redirect::to("/").see_other())
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let manager = Manager::builder(MemoryStorage::new()).build()?;
    let sessions = SessionMiddleware::builder(manager).build()?;
    let app = move || {
        App::new()
            .route("/", web::get().to(home))
            .route("/order", web::post().to(order))
            .route("/login", web::post().to(login))
            .wrap(sessions.clone())
    };
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}
