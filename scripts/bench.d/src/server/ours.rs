//! This project with each of its storages.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{App, web};
use session_actix::{CookieConfig, Error, Session, SessionMiddleware};
use session_core::{
    FileStorage, Manager, MemoryStorage, Redis, RedisHashTableStorage, RedisKeyValueStorage,
    Snapshot, Storage,
};

use crate::{
    Result, Settings, allocations,
    items::{self, COUNT, Size},
    serve_app,
};

pub(crate) const STORAGES: [&str; 5] =
    ["memory", "file", "key-value", "key-value-near-cache", "hash"];
const NEAR_CACHE: usize = 16 << 20;

pub(crate) async fn serve(settings: &Settings) -> Result {
    let manager = Manager::builder(storage(settings)?).build()?;
    let cookie = CookieConfig::new().name("id").secure(false);
    let sessions = SessionMiddleware::builder(manager).cookie(cookie).build()?;
    let app = move || {
        App::new()
            .wrap(sessions.clone())
            .route("/fill", web::get().to(fill))
            .route("/untouched", web::get().to(async || "ok"))
            .route("/item", web::get().to(item))
            .route("/whole", web::get().to(whole))
            .route("/set", web::get().to(set))
            .route("/allocations", web::get().to(async || allocations::report()))
    };
    serve_app(settings, app).await
}

fn storage(settings: &Settings) -> Result<Arc<dyn Storage>> {
    let redis = || Redis::builder(&settings.redis).prefix("ours:");
    Ok(match settings.name.as_str() {
        "memory" => Arc::new(MemoryStorage::new()),
        "file" => Arc::new(FileStorage::open(&settings.directory)?),
        "hash" => Arc::new(RedisHashTableStorage::new(redis().build()?)),
        "key-value" => Arc::new(RedisKeyValueStorage::new(redis().build()?)),
        _ => Arc::new(RedisKeyValueStorage::new(redis().near_cache(NEAR_CACHE).build()?)),
    })
}

async fn fill(session: Session, size: web::Query<Size>) -> Result<&'static str, Error> {
    session.set_map(size.fillers().collect::<BTreeMap<_, _>>()).await?;
    session.set(COUNT, items::next()).await?;
    Ok("ok")
}

async fn item(session: Session) -> Result<String, Error> {
    Ok(session.get_or(COUNT, 0u64).await?.to_string())
}

async fn whole(session: Session) -> Result<Option<Snapshot>, Error> {
    session.data().await
}

async fn set(session: Session) -> Result<&'static str, Error> {
    session.set(COUNT, items::next()).await?;
    Ok("ok")
}
