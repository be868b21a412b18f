//! This project with each of its storages.

use std::collections::BTreeMap;

use actix_web::{App, web};
use session_actix::{CookieConfig, Error, Session, SessionMiddleware};
use session_core::{
    FileStorage, ManagerBuilder, MemoryStorage, Redis, RedisHashTableStorage, RedisKeyValueStorage,
    Snapshot,
};

use crate::{
    Result, Settings, allocations,
    items::{self, COUNT, ONE, Size},
    layers::Layers,
    serve_app,
};

pub(crate) const STORAGES: [&str; 5] =
    ["memory", "file", "key-value", "key-value-near-cache", "hash"];
const NEAR_CACHE: usize = 16 << 20;

pub(crate) async fn serve(settings: &Settings, storage: &str, layers: Layers) -> Result {
    let manager = manager(settings, storage, layers)?.build()?;
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
            .route("/fill-one", web::get().to(replace))
            .route("/replace", web::get().to(replace))
            .route("/allocations", web::get().to(async || allocations::report()))
    };
    serve_app(settings, app).await
}

fn manager(settings: &Settings, storage: &str, layers: Layers) -> Result<ManagerBuilder> {
    let redis = || Redis::builder(&settings.redis).prefix("ours:");
    Ok(match storage {
        "memory" => layers.around(MemoryStorage::new()),
        "file" => layers.around(FileStorage::open(&settings.directory)?),
        "hash" => layers.around(RedisHashTableStorage::new(redis().build()?)),
        "key-value" => layers.around(RedisKeyValueStorage::new(redis().build()?)),
        _ => layers.around(RedisKeyValueStorage::new(redis().near_cache(NEAR_CACHE).build()?)),
    }?)
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

async fn replace(session: Session, size: web::Query<Size>) -> Result<&'static str, Error> {
    session.set(ONE, size.text()).await?;
    Ok("ok")
}
