//! actix-session on Redis, with one connection or a pool, and in cookies.

use actix_session::{
    Session, SessionGetError, SessionInsertError, SessionMiddleware,
    storage::{CookieSessionStore, RedisSessionStore, SessionStore},
};
use actix_web::{App, cookie::Key, web};
use deadpool_redis::{Config, Runtime};
use serde_json::value::RawValue;

use crate::{
    Result, Settings, allocations,
    items::{self, COUNT, Size},
    serve_app,
};

pub(crate) async fn serve(settings: &Settings) -> Result {
    match settings.name.as_str() {
        "actix-session-cookie" => serve_on(settings, CookieSessionStore::default).await,
        "actix-session-pooled" => {
            let pool = Config::from_url(&settings.redis).create_pool(Some(Runtime::Tokio1))?;
            let store = RedisSessionStore::new_pooled(pool).await?;
            serve_on(settings, move || store.clone()).await
        }
        _ => {
            let store = RedisSessionStore::new(&settings.redis).await?;
            serve_on(settings, move || store.clone()).await
        }
    }
}

async fn serve_on<S: SessionStore + 'static>(
    settings: &Settings,
    store: impl Fn() -> S + Send + Clone + 'static,
) -> Result {
    let key = Key::from(&[7; 64]);
    let app = move || {
        App::new()
            .wrap(SessionMiddleware::new(store(), key.clone()))
            .route("/fill", web::get().to(fill))
            .route("/untouched", web::get().to(async || "ok"))
            .route("/item", web::get().to(item))
            .route("/whole", web::get().to(whole))
            .route("/set", web::get().to(set))
            .route("/allocations", web::get().to(async || allocations::report()))
    };
    serve_app(settings, app).await
}

async fn fill(
    session: Session,
    size: web::Query<Size>,
) -> Result<&'static str, SessionInsertError> {
    for (key, text) in size.fillers() {
        session.insert(key, text)?;
    }
    session.insert(COUNT, items::next())?;
    Ok("ok")
}

async fn item(session: Session) -> Result<String, SessionGetError> {
    Ok(session.get(COUNT)?.unwrap_or(0u64).to_string())
}

// actix-session keeps each item as JSON text, which is sent unchanged.
async fn whole(session: Session) -> actix_web::Result<String> {
    let entries = session.entries();
    let items =
        entries.iter().map(|(key, item)| Ok((key, serde_json::from_str::<&RawValue>(item)?)));
    let items = items.collect::<Result<std::collections::BTreeMap<_, _>, serde_json::Error>>()?;
    Ok(serde_json::to_string(&items)?)
}

async fn set(session: Session) -> Result<&'static str, SessionInsertError> {
    session.insert(COUNT, items::next())?;
    Ok("ok")
}
