//! An application with a login, on the storages that the demo servers use.
//!
//! The demo's routes are those of the documents, and none of them renews an id. So this is a
//! server more, over the library alone and in the test's own process, which for the sessions is
//! one more node.

use std::{collections::BTreeMap, sync::Arc, sync::mpsc, thread, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::ServerHandle,
    web::{self, Query},
};
use serde_json::value::{RawValue, to_raw_value};
use session_actix::{CookieConfig, Error, Session, SessionMiddleware};
use session_core::{Manager, Snapshot, Storage};

use crate::demo::client::COOKIE;

/// A running application; ends when dropped.
pub(crate) struct Application {
    port: u16,
    handle: ServerHandle,
}

impl Application {
    pub(crate) fn start(storage: impl FnOnce() -> Arc<dyn Storage> + Send + 'static) -> Self {
        let (tell, told) = mpsc::channel();
        thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let manager = Manager::builder(storage()).ttl(Duration::from_secs(60));
                let manager = manager.build().expect("there is a runtime");
                let cookie = CookieConfig::new().name(COOKIE).secure(false);
                let sessions = SessionMiddleware::builder(manager).cookie(cookie);
                let sessions = sessions.build().expect("a cookie that browsers take");
                let server = HttpServer::new(move || {
                    App::new()
                        .wrap(sessions.clone())
                        .route("/set", web::to(set))
                        .route("/get", web::to(get))
                        .route("/del", web::to(del))
                        .route("/login", web::to(login))
                        .route("/healthz", web::to(HttpResponse::Ok))
                });
                let server = server.workers(1).disable_signals().bind(("127.0.0.1", 0));
                let server = server.expect("any port will do");
                let port = server.addrs()[0].port();
                let server = server.run();
                tell.send(Self { port, handle: server.handle() }).expect("somebody waits");
                server.await.expect("the server ends in order");
            });
        });
        told.recv().expect("the application starts")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // The order is given by the call; there is no need to wait for the end.
        drop(self.handle.stop(false));
    }
}

type Texts = Query<BTreeMap<String, String>>;

async fn login(session: Session, items: Texts) -> Result<&'static str, Error> {
    let renewed = session.regenerate_id(true).await?;
    session.set_map(json(items)).await?;
    Ok(if renewed.is_some() { "moved" } else { "new" })
}

/// Reads before it writes, unlike the demo, as most handlers do: a session that goes in between
/// was known.
async fn set(session: Session, items: Texts) -> Result<&'static str, Error> {
    session.size().await?;
    session.set_map(json(items)).await?;
    Ok("ok")
}

async fn get(session: Session, query: Texts) -> Result<String, Error> {
    Ok(match query.get("key") {
        Some(key) => {
            let item = session.get::<Box<RawValue>>(key).await?;
            item.map_or_else(|| "null".to_owned(), |item| item.get().to_owned())
        }
        None => {
            let items = session.data().await?;
            items.as_ref().map(Snapshot::to_json).unwrap_or("{}".into()).into_owned()
        }
    })
}

async fn del(session: Session, query: Texts) -> Result<&'static str, Error> {
    match query.get("key") {
        Some(key) => session.remove([key]).await?,
        None => session.remove_all().await?,
    }
    Ok("ok")
}

/// JSON as it is, anything else as a text, as the demo does.
fn json(Query(items): Texts) -> BTreeMap<String, Box<RawValue>> {
    let json = |text: String| {
        RawValue::from_string(text.clone())
            .unwrap_or_else(|_| to_raw_value(&text).expect("a text is always JSON"))
    };
    items.into_iter().map(|(key, text)| (key, json(text))).collect()
}
