//! Login and logout.
//!
//! `cargo run -p session-actix --example login`, then open <http://localhost:8080> and log in as
//! bob with the password "secret".

use std::{env, error::Error};

use actix_web::{App, HttpResponse, HttpServer, Result, http::header::LOCATION, web};
use serde::Deserialize;
use session_actix::{Manager, MemoryStorage, Session, SessionMiddleware};

const LOGIN: &str = r#"<form method="post" action="/login">
<input name="name" placeholder="name" autofocus>
<input name="password" type="password" placeholder="password">
<button>Log in</button>
</form>
"#;
const LOGOUT: &str = r#"<form method="post" action="/logout"><button>Log out</button></form>"#;

#[derive(Deserialize)]
struct Credentials {
    name: String,
    password: String,
}

impl Credentials {
    // A real application compares a password hash from its database.
    fn are_right(&self) -> bool {
        self.name == "bob" && self.password == "secret"
    }
}

async fn home(session: Session) -> Result<HttpResponse> {
    let page = match session.user().await? {
        Some(user) => format!("<p>Hello, {user}!</p>\n{LOGOUT}"),
        None => LOGIN.to_owned(),
    };
    Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(page))
}

async fn login(session: Session, credentials: web::Form<Credentials>) -> Result<HttpResponse> {
    if !credentials.are_right() {
        return Ok(HttpResponse::Unauthorized().body("Wrong name or password.\n"));
    }
    // A new id whenever rights change, so that an attacker who knows the old one gains nothing. The
    // session keeps its items.
    session.login(&credentials.name).await?;
    Ok(redirect("/"))
}

async fn logout(session: Session) -> Result<HttpResponse> {
    // Final: no request still in flight can bring the session back.
    session.logout().await?;
    Ok(redirect("/"))
}

fn redirect(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, path)).finish()
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let manager = Manager::builder(MemoryStorage::new()).build()?;
    let sessions = SessionMiddleware::builder(manager).build()?;
    let app = move || {
        App::new()
            .route("/", web::get().to(home))
            .route("/login", web::post().to(login))
            .route("/logout", web::post().to(logout))
            .wrap(sessions.clone())
    };
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}
