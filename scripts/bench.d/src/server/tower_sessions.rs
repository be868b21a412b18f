//! tower-sessions on axum with its Redis store.

use std::collections::BTreeMap;

use axum::{Router, extract::Query, http::StatusCode, routing::get};
use serde_json::Value;
use tower_sessions::{Session, SessionManagerLayer, session::Error};
use tower_sessions_redis_store::{
    RedisStore,
    fred::prelude::{ClientLike, Config, Pool},
};

use crate::{
    Result, Settings, allocations,
    items::{self, COUNT, Size},
};

/// The number of connections in its documentation.
const CONNECTIONS: usize = 6;

pub(crate) fn serve(settings: &Settings) -> Result {
    use tokio::runtime::Builder;
    // The faster runtime for one worker.
    let mut runtime = match settings.workers {
        1 => Builder::new_current_thread(),
        _ => Builder::new_multi_thread(),
    };
    runtime.worker_threads(settings.workers).enable_all().build()?.block_on(async {
        let redis = Pool::new(Config::from_url(&settings.redis)?, None, None, None, CONNECTIONS)?;
        redis.init().await?;
        let sessions = SessionManagerLayer::new(RedisStore::new(redis)).with_secure(false);
        let app = Router::new()
            .route("/fill", get(fill))
            .route("/untouched", get(async || "ok"))
            .route("/item", get(item))
            .route("/whole", get(whole))
            .route("/set", get(set))
            .route("/allocations", get(async || allocations::report()))
            .layer(sessions);
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", settings.port)).await?;
        Ok(axum::serve(listener, app).await?)
    })
}

async fn fill(session: Session, Query(size): Query<Size>) -> Result<&'static str, StatusCode> {
    for (key, text) in size.fillers() {
        session.insert(&key, text).await.map_err(failed)?;
    }
    session.insert(COUNT, items::next()).await.map_err(failed)?;
    Ok("ok")
}

async fn item(session: Session) -> Result<String, StatusCode> {
    Ok(session.get::<u64>(COUNT).await.map_err(failed)?.unwrap_or(0).to_string())
}

// tower-sessions cannot list the items of a session.
async fn whole(session: Session) -> Result<String, StatusCode> {
    let mut items: BTreeMap<String, Value> = BTreeMap::new();
    for key in [items::filler(0), COUNT.to_owned()] {
        if let Some(item) = session.get_value(&key).await.map_err(failed)? {
            items.insert(key, item);
        }
    }
    serde_json::to_string(&items).map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)
}

async fn set(session: Session) -> Result<&'static str, StatusCode> {
    session.insert(COUNT, items::next()).await.map_err(failed)?;
    Ok("ok")
}

fn failed(_: Error) -> StatusCode {
    StatusCode::INTERNAL_SERVER_ERROR
}
