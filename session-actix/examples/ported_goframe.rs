//! The example of GoFrame's session documentation, ported.
//!
//! `docs/FROM-GOFRAME.md` shows the original beside it. Start Redis with `scripts/redis`, then:
//!
//! ```sh
//! cargo run -p session-actix --features redis --example ported_goframe
//! curl -c jar -b jar localhost:8080/set
//! curl -c jar -b jar localhost:8080/get
//! curl -c jar -b jar localhost:8080/del
//! ```

use std::{
    env,
    error::Error,
    time::{Duration, UNIX_EPOCH},
};

use actix_web::{App, HttpServer, Result, web};
use session_actix::{Manager, Redis, RedisKeyValueStorage, Session, SessionMiddleware};

async fn set(session: Session) -> Result<&'static str> {
    let now = UNIX_EPOCH.elapsed().expect("the clock is set").as_secs();
    session.set("time", now).await?;
    Ok("ok")
}

async fn get(session: Session) -> Result<String> {
    let items = session.data().await?;
    Ok(items.map_or_else(|| "{}".to_owned(), |items| items.to_json().into_owned()))
}

async fn del(session: Session) -> Result<&'static str> {
    session.remove_all().await?;
    Ok("ok")
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let redis = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1".to_owned());

    let storage = RedisKeyValueStorage::new(Redis::builder(redis).prefix("session:").build()?);
    let manager = Manager::builder(storage).ttl(Duration::from_secs(60)).build()?;
    let sessions = SessionMiddleware::builder(manager.clone()).build()?;
    HttpServer::new(move || {
        App::new()
            .route("/set", web::to(set))
            .route("/get", web::to(get))
            .route("/del", web::to(del))
            .wrap(sessions.clone())
    })
    .bind(address)?
    .run()
    .await?;
    manager.flush().await;
    Ok(())
}
