//! The example `auth/redis-session` of actix, ported from actix-session.
//!
//! `docs/FROM-ACTIX-SESSION.md` explains each step. Start Redis with `scripts/redis`, then:
//!
//! ```sh
//! cargo run -p session-actix --features redis --example ported_redis_session
//! curl -c jar -b jar -X POST localhost:8080/do_something
//! curl -c jar -b jar localhost:8080/login --json '{"user_id":"ferris"}'
//! curl -c jar -b jar localhost:8080
//! curl -c jar -b jar -X POST localhost:8080/logout
//! ```

use std::{env, io};

use actix_web::{
    App, HttpResponse, HttpServer, Result, web,
    web::{get, post, resource},
};
use serde::{Deserialize, Serialize};
use session_actix::{Manager, Redis, RedisKeyValueStorage, Session, SessionMiddleware};

#[derive(Serialize)]
struct IndexResponse {
    user_id: Option<String>,
    counter: i32,
}

async fn index(session: Session) -> Result<HttpResponse> {
    let user_id = session.get::<String>("user_id").await?;
    let counter = session.get_or("counter", 0).await?;

    Ok(HttpResponse::Ok().json(IndexResponse { user_id, counter }))
}

async fn do_something(session: Session) -> Result<HttpResponse> {
    let user_id = session.get::<String>("user_id").await?;
    let counter = session.update_or("counter", 0, |counter| counter + 1).await?;

    Ok(HttpResponse::Ok().json(IndexResponse { user_id, counter }))
}

#[derive(Deserialize)]
struct Identity {
    user_id: String,
}

async fn login(user_id: web::Json<Identity>, session: Session) -> Result<HttpResponse> {
    let id = user_id.into_inner().user_id;
    session.set("user_id", &id).await?;
    session.regenerate_id().await?;

    let counter = session.get_or("counter", 0).await?;

    Ok(HttpResponse::Ok().json(IndexResponse { user_id: Some(id), counter }))
}

async fn logout(session: Session) -> Result<String> {
    if let Some(x) = session.get::<String>("user_id").await? {
        session.remove_all().await?;
        Ok(format!("Logged out: {x}"))
    } else {
        Ok("Could not log out anonymous user".into())
    }
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let redis = env::var("REDIS_URL").unwrap_or_else(|_| "redis://127.0.0.1:6379".to_owned());

    let store = RedisKeyValueStorage::new(Redis::builder(redis).build()?);
    let manager = Manager::builder(store).build()?;
    let sessions = SessionMiddleware::builder(manager.clone()).build()?;

    HttpServer::new(move || {
        App::new()
            .wrap(sessions.clone())
            .service(resource("/").route(get().to(index)))
            .service(resource("/do_something").route(post().to(do_something)))
            .service(resource("/login").route(post().to(login)))
            .service(resource("/logout").route(post().to(logout)))
    })
    .bind(address)?
    .run()
    .await?;
    manager.flush().await;
    Ok(())
}
