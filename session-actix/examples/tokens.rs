//! Tokens for the clients of an API: the session id in a header instead of a cookie.
//!
//! `cargo run -p session-actix --example tokens`, then
//! `curl -i -X POST -d 'key=of-robot-7' localhost:8080/token`. Send the token from the header
//! `x-token` of the response with `curl -H 'x-token: …' localhost:8080/whoami`.

use std::{env, error::Error, time::Duration};

use actix_web::{App, HttpServer, Result, error::ErrorUnauthorized, web};
use serde::Deserialize;
use session_actix::{Manager, MemoryStorage, Session, SessionMiddleware};

#[derive(Deserialize)]
struct Login {
    key: String,
}

/// Starts a session, whose id the middleware adds to the response as the token.
async fn issue(session: Session, login: web::Form<Login>) -> Result<&'static str> {
    // A real application compares a hash of the key from its database.
    let Some(robot) = login.key.strip_prefix("of-") else {
        return Err(ErrorUnauthorized("unknown key\n"));
    };
    session.remove_all().await?;
    session.set("client", robot).await?;
    Ok("ok\n")
}

async fn whoami(session: Session) -> Result<String> {
    let client = session.get::<String>("client").await?;
    client.ok_or_else(|| ErrorUnauthorized("a valid x-token is needed\n"))
}

/// Makes the token invalid at once, on every node.
async fn revoke(session: Session) -> Result<&'static str> {
    session.remove_all().await?;
    Ok("ok\n")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let month = Duration::from_secs(30 * 24 * 60 * 60);
    let manager = Manager::builder(MemoryStorage::new()).ttl(month).build()?;
    let sessions = SessionMiddleware::builder(manager).header_only("x-token").build()?;
    let app = move || {
        App::new()
            .route("/token", web::post().to(issue))
            .route("/token", web::delete().to(revoke))
            .route("/whoami", web::get().to(whoami))
            .wrap(sessions.clone())
    };
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}
