//! A counter of each visitor's visits.
//!
//! `cargo run -p session-actix --example counter`, then open <http://localhost:8080> and reload.

use std::{env, error::Error};

use actix_web::{App, HttpServer, Result, web};
use session_actix::{Manager, MemoryStorage, Session, SessionMiddleware};

async fn count(session: Session) -> Result<String> {
    let visits = session.update_or("visits", 0, |visits| visits + 1).await?;
    Ok(format!("Visit number {visits}.\n"))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let manager = Manager::builder(MemoryStorage::new()).build()?;
    let sessions = SessionMiddleware::builder(manager).build()?;
    let app = move || App::new().route("/", web::get().to(count)).wrap(sessions.clone());
    HttpServer::new(app).bind(address)?.run().await?;
    Ok(())
}
