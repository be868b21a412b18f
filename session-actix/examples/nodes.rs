//! Two nodes that share their sessions through Redis.
//!
//! Start Redis with `scripts/redis`. Start each node in a terminal of its own, then send requests
//! to both:
//!
//! ```sh
//! cargo run -p session-actix --example nodes 127.0.0.1:8081
//! cargo run -p session-actix --example nodes 127.0.0.1:8082
//! curl -c jar -b jar localhost:8081; curl -c jar -b jar localhost:8082
//! ```

use std::{env, error::Error, time::Duration};

use actix_web::{App, HttpServer, Result, web};
use session_actix::{Manager, Redis, RedisKeyValueStorage, Session, SessionMiddleware};

async fn visit(session: Session, address: web::Data<String>) -> Result<String> {
    let here = address.as_str();
    session.update_or(here, 0, |requests| requests + 1).await?;
    let visits = session.data().await?.expect("this request has set an item");
    Ok(format!("{}\n", visits.to_json()))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8081".to_owned());
    let redis = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1".to_owned());

    // The server starts without Redis: until Redis is reachable, requests that need their session
    // are answered 503.
    let storage = RedisKeyValueStorage::new(Redis::builder(redis).build()?);
    let manager = Manager::builder(storage).ttl(Duration::from_secs(30 * 60)).build()?;
    let sessions = SessionMiddleware::builder(manager.clone()).build()?;
    let here = web::Data::new(address.clone());
    let app = move || {
        App::new().app_data(here.clone()).route("/", web::get().to(visit)).wrap(sessions.clone())
    };
    HttpServer::new(app).bind(address)?.run().await?;
    // Extends the sessions used in the last seconds, which Redis does not know of yet.
    manager.flush().await;
    Ok(())
}
