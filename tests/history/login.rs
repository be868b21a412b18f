//! An application with a login, on the storages that the demo servers use.
//!
//! The demo's routes are those of the documents, and none of them renews an id. So this is a
//! server more, over the library alone: in the test's own process, which for the sessions is one
//! more node, or in a process of its own, which can be killed.

use std::{collections::BTreeMap, env, sync::Arc, sync::mpsc, thread, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{Server, ServerHandle},
    web::{self, Query},
};
use serde_json::value::{RawValue, to_raw_value};
use session_actix::{CookieConfig, Error, Session, SessionMiddleware};
use session_core::{
    FileStorage, Manager, Redis, RedisHashTableStorage, RedisKeyValueStorage, Snapshot, Storage,
};

use crate::demo::{client::COOKIE, server, store::Store};

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
                let (server, port) = serve(storage(), 0);
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

/// An application in a process of its own: this test binary runs itself again.
pub(crate) fn in_a_process(store: &Store) -> server::Server {
    let binary = env::current_exe().expect("a test knows its path");
    let binary = binary.to_str().expect("UTF-8");
    let part = concat!(module_path!(), "::serve_until_killed");
    let (_, part) = part.split_once("::").expect("the binary's name comes first");
    let program = [binary, part, "--exact", "--ignored", "--nocapture"];
    store.serve_by(&[], |settings| server::Server::start_program(&program, settings))
}

#[test]
#[ignore = "is a part of another test"]
fn serve_until_killed() {
    let Ok(port) = env::var("DEMO__SERVER__PORT") else { return };
    let port = port.parse().expect("a port");
    let setting = |name: &str| env::var(name).expect("it is set");
    let redis = || Redis::builder(setting("DEMO__REDIS__URL")).prefix("session:").build().unwrap();
    let storage: Arc<dyn Storage> = match setting("DEMO__SESSION__BACKEND").as_str() {
        "file" => Arc::new(FileStorage::open(setting("DEMO__FILE__PATH")).expect("a directory")),
        "redis-key-value" => Arc::new(RedisKeyValueStorage::new(redis())),
        "redis-hash-table" => Arc::new(RedisHashTableStorage::new(redis())),
        other => panic!("{other}: no storage that survives"),
    };
    actix_rt::System::new().block_on(async move {
        let (server, port) = serve(storage, port);
        eprintln!("listening on http://127.0.0.1:{port}, with logins");
        server.await.expect("nothing but a kill ends it");
    });
}

/// Starts the application on a port, 0 for any, and says which.
fn serve(storage: Arc<dyn Storage>, port: u16) -> (Server, u16) {
    // Longer than any run, however busy the machine.
    let manager = Manager::builder(storage).ttl(Duration::from_secs(600));
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
    let server = server.workers(1).disable_signals().bind(("127.0.0.1", port));
    let server = server.expect("the port is free");
    let port = server.addrs()[0].port();
    (server.run(), port)
}

type Texts = Query<BTreeMap<String, String>>;

async fn login(session: Session, items: Texts) -> Result<&'static str, Error> {
    let renewed = session.regenerate_id().await?;
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
