//! An application with a login, on the same storages as the demo servers.
//!
//! The demo has the routes of GoFrame's documentation, none of which renews an id. This application
//! on the library adds one that does. It runs in the test's process, where it is one more node to
//! the store, or in a separate process, which can be killed.

use std::{collections::BTreeMap, env, sync::Arc, sync::mpsc, thread, time::Duration};

use actix_web::{
    App, HttpResponse, HttpServer,
    dev::{Server, ServerHandle},
    web::{self, Query},
};
use serde_json::value::{RawValue, to_raw_value};
use session_actix::{CookieAge, CookieConfig, Error, Session, SessionMiddleware};
use session_core::{
    FileStorage, Manager, Redis, RedisHashTableStorage, RedisKeyValueStorage, Snapshot, Storage,
};

use super::{
    record::COUNT,
    rule::{Expiry, Renewal},
};
use crate::demo::{client::COOKIE, server, store::Store};

/// The parameter with the milliseconds for which the handler of a request waits.
pub(super) const WAIT: &str = "wait";

/// What an application does with its sessions as time passes.
#[derive(Clone, Copy, Default)]
pub(crate) struct Lifetimes {
    /// The touch interval with which its cookies roll, at most once an interval. `None`: cookies do
    /// not roll.
    pub(crate) rolling: Option<Duration>,
    pub(crate) renewal: Option<Renewal>,
}

/// A running application, stopped on drop.
pub(crate) struct Application {
    port: u16,
    handle: ServerHandle,
}

impl Application {
    pub(crate) fn start(
        lifetimes: Lifetimes,
        storage: impl FnOnce() -> Arc<dyn Storage> + Send + 'static,
    ) -> Self {
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            actix_rt::System::new().block_on(async move {
                let (server, port) = serve(storage(), lifetimes, 0);
                let application = Self { port, handle: server.handle() };
                sender.send(application).expect("the test waits");
                server.await.expect("the server stops without an error");
            });
        });
        receiver.recv().expect("the application starts")
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // The call itself stops the server. Awaiting the future would only wait for the end.
        drop(self.handle.stop(false));
    }
}

/// Starts an application in a separate process, which is this test binary again.
pub(crate) fn start_process(store: &Store) -> server::Server {
    let binary = env::current_exe().expect("the path of the test binary");
    let binary = binary.to_str().expect("UTF-8");
    let test = concat!(module_path!(), "::serve_until_killed");
    let (_, test) = test.split_once("::").expect("the path starts with the name of the binary");
    let program = [binary, test, "--exact", "--ignored", "--nocapture"];
    store.serve_with(&[], |settings| server::Server::start_program(&program, settings))
}

#[test]
#[ignore = "is the process of another test"]
fn serve_until_killed() {
    let Ok(port) = env::var("DEMO__SERVER__PORT") else { return };
    let port = port.parse().expect("a port");
    let setting = |name: &str| env::var(name).expect("the variable is set");
    let redis = || Redis::builder(setting("DEMO__REDIS__URL")).prefix("session:").build().unwrap();
    let storage: Arc<dyn Storage> = match setting("DEMO__SESSION__BACKEND").as_str() {
        "file" => Arc::new(FileStorage::open(setting("DEMO__FILE__PATH")).expect("a directory")),
        "redis-key-value" => Arc::new(RedisKeyValueStorage::new(redis())),
        "redis-hash-table" => Arc::new(RedisHashTableStorage::new(redis())),
        other => panic!("{other}: not a storage that several processes share"),
    };
    actix_rt::System::new().block_on(async move {
        let (server, port) = serve(storage, Lifetimes::default(), port);
        eprintln!("listening on http://127.0.0.1:{port}, with logins");
        server.await.expect("only a kill ends the server");
    });
}

/// Starts the application on a port, 0 for any. Returns the port.
fn serve(storage: Arc<dyn Storage>, lifetimes: Lifetimes, port: u16) -> (Server, u16) {
    let mut manager = Manager::builder(storage).ttl(Expiry::DEFAULT.ttl);
    let mut cookie = CookieConfig::new().name(COOKIE).secure(false);
    if let Some(renewal) = lifetimes.renewal {
        manager = manager.renew_after(renewal.after).grace(renewal.grace);
    }
    if let Some(touch_interval) = lifetimes.rolling {
        manager = manager.touch_interval(touch_interval);
        cookie = cookie.age(CookieAge::Rolling);
    }
    let manager = manager.build().expect("there is a runtime");
    let sessions = SessionMiddleware::builder(manager).cookie(cookie);
    let sessions = sessions.build().expect("a valid cookie");
    let server = HttpServer::new(move || {
        App::new()
            .wrap(sessions.clone())
            .route("/set", web::to(set))
            .route("/get", web::to(get))
            .route("/del", web::to(del))
            .route("/count", web::to(count))
            .route("/take", web::to(take))
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

/// Reads before it writes, as most handlers do but the demo does not. A session that ends in
/// between causes a 409.
async fn set(session: Session, items: Texts) -> Result<&'static str, Error> {
    session.size().await?;
    let items = wait(items).await;
    session.set_map(json(items)).await?;
    Ok("ok")
}

async fn get(session: Session, query: Texts) -> Result<String, Error> {
    let found = match query.get("key") {
        Some(key) => {
            let item = session.get::<Box<RawValue>>(key).await?;
            item.map_or_else(|| "null".to_owned(), |item| item.get().to_owned())
        }
        None => {
            let items = session.data().await?;
            items.as_ref().map(Snapshot::to_json).unwrap_or("{}".into()).into_owned()
        }
    };
    wait(query).await;
    Ok(found)
}

async fn del(session: Session, query: Texts) -> Result<&'static str, Error> {
    if query.contains_key(WAIT) {
        session.size().await?;
    }
    let query = wait(query).await;
    match query.get("key") {
        Some(key) => session.remove([key]).await?,
        None => session.remove_all().await?,
    }
    Ok("ok")
}

async fn count(session: Session, query: Texts) -> Result<String, Error> {
    if query.contains_key(WAIT) {
        session.size().await?;
    }
    wait(query).await;
    Ok(session.update_or(COUNT, 0_u64, |count| count + 1).await?.to_string())
}

async fn take(session: Session, query: Texts) -> Result<String, Error> {
    if query.contains_key(WAIT) {
        session.size().await?;
    }
    let query = wait(query).await;
    let item = session.take::<Box<RawValue>>(&query["key"]).await?;
    Ok(item.map_or_else(|| "null".to_owned(), |item| item.get().to_owned()))
}

/// Waits as the request says, and returns its other parameters.
async fn wait(Query(mut texts): Texts) -> Texts {
    if let Some(wait) = texts.remove(WAIT) {
        let wait = wait.parse().expect("milliseconds");
        actix_rt::time::sleep(Duration::from_millis(wait)).await;
    }
    Query(texts)
}

/// Stores JSON unchanged and any other text as a string, like the demo.
fn json(Query(items): Texts) -> BTreeMap<String, Box<RawValue>> {
    let json = |text: String| {
        RawValue::from_string(text.clone())
            .unwrap_or_else(|_| to_raw_value(&text).expect("a string is always JSON"))
    };
    items.into_iter().map(|(key, text)| (key, json(text))).collect()
}
