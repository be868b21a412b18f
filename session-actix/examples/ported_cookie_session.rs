//! The example `auth/cookie-session` of actix, ported from actix-session.
//!
//! `docs/FROM-ACTIX-SESSION.md` explains each step.
//!
//! `cargo run -p session-actix --example ported_cookie_session`, then open <http://localhost:8080>
//! and reload. The file in the directory `sessions` contains the counter.

use std::{env, io, time::Duration};

use actix_web::{App, HttpServer, Result, web};
use session_actix::{CookieAge, CookieConfig, FileStorage, Manager, Session, SessionMiddleware};

async fn index(session: Session) -> Result<&'static str> {
    let mut counter = 1;
    if let Some(count) = session.get::<i32>("counter").await? {
        counter = count + 1;
    }
    session.set("counter", counter).await?;

    Ok("welcome!")
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let directory = env::var("SESSIONS").unwrap_or_else(|_| "sessions".to_owned());

    // Built once: the closure below runs once per worker.
    let manager = Manager::builder(FileStorage::open(directory)?)
        .ttl(Duration::from_secs(2 * 60 * 60))
        .build()?;
    // A name of its own, because the default, `__Host-id`, requires `Secure`.
    let cookie = CookieConfig::new().name("id").secure(false).age(CookieAge::Rolling);
    let sessions = SessionMiddleware::builder(manager.clone()).cookie(cookie).build()?;

    HttpServer::new(move || {
        App::new().wrap(sessions.clone()).service(web::resource("/").to(index))
    })
    .bind(address)?
    .run()
    .await?;
    manager.flush().await;
    Ok(())
}
