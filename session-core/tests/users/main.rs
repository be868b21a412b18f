//! The sessions of a user, on every storage.
#![cfg(all(feature = "redis", feature = "encryption"))]

#[path = "../common/mod.rs"]
mod common;

mod cluster;
mod ends;
mod forwarding;
mod index;
mod limits;
mod lists;
mod logins;
mod overtaken;
mod rounds;
mod unwritable;

use std::{sync::Arc, time::Duration};

use common::RedisServer;
use session_core::{
    EncryptionKey, FileStorage, HashedIds, IntoStorage, KeyRing, Manager, ManagerBuilder,
    MemoryStorage, Outcome, Redis, RedisHashTableStorage, RedisKeyValueStorage, Sealed, Session,
    SessionId, Storage,
};

const TTL: Duration = Duration::from_secs(60);

/// A store that can be opened several times, like the nodes of an application do.
struct Place {
    name: &'static str,
    open: Box<dyn Fn() -> Arc<dyn Storage>>,
}

struct Stored(Arc<dyn Storage>);

impl IntoStorage for Stored {
    fn into_storage(self) -> Arc<dyn Storage> {
        self.0
    }
}

/// The stores, and what has to live as long as they are used.
struct Places {
    places: Vec<Place>,
    server: RedisServer,
    _directory: tempfile::TempDir,
}

impl Places {
    fn new() -> Self {
        let (server, directory) = (RedisServer::start(), tempfile::tempdir().unwrap());
        let path = directory.path().to_owned();
        let open_redis = {
            let url = server.url();
            move |prefix: &str, near_cache: bool| {
                let builder = Redis::builder(&url).prefix(prefix);
                if near_cache { builder.near_cache(1_000_000) } else { builder }.build().unwrap()
            }
        };
        let ring = KeyRing::new([EncryptionKey::random(), EncryptionKey::random()]).unwrap();
        let memory = Arc::new(MemoryStorage::new());
        let hidden = Arc::new(MemoryStorage::new());
        let mut places = Vec::new();
        let mut add = |name, open: Box<dyn Fn() -> Arc<dyn Storage>>| {
            places.push(Place { name, open });
        };
        add("memory", Box::new(move || memory.clone()));
        add("file", Box::new(move || Arc::new(FileStorage::open(&path).unwrap())));
        let open = open_redis.clone();
        add("key-value", Box::new(move || Arc::new(RedisKeyValueStorage::new(open("a:", true)))));
        let open = open_redis.clone();
        add("hash", Box::new(move || Arc::new(RedisHashTableStorage::new(open("b:", false)))));
        let keys = ring.clone();
        add(
            "memory, hidden",
            Box::new(move || {
                HashedIds::new(Sealed::new(hidden.clone(), keys.clone())).into_storage()
            }),
        );
        add(
            "hash, hidden",
            Box::new(move || {
                let storage = RedisHashTableStorage::new(open_redis("c:", false));
                HashedIds::new(Sealed::new(storage, ring.clone())).into_storage()
            }),
        );
        Self { places, server, _directory: directory }
    }
}

impl Place {
    fn builder(&self) -> ManagerBuilder {
        Manager::builder(Stored((self.open)())).ttl(TTL)
    }

    fn manager(&self) -> Manager {
        self.builder().build().unwrap()
    }

    /// Returns the managers of two nodes.
    fn nodes(&self) -> [Manager; 2] {
        [self.manager(), self.manager()]
    }
}

/// Logs a user in, with an item. Returns the id.
async fn log_in(manager: &Manager, user: &str) -> SessionId {
    let session = manager.open(None);
    session.set("a", 1).await.unwrap();
    session.login(user).await.unwrap();
    issued(&session).await
}

async fn issued(session: &Session) -> SessionId {
    let closed = session.close().await;
    assert!(closed.failure.is_none(), "{:?}", closed.failure);
    let Outcome::Issued { id } = closed.outcome else { panic!("{:?}", closed.outcome) };
    id
}

/// Returns the user of the session with this id, as another request sees it.
async fn user_of(manager: &Manager, id: &SessionId) -> Option<String> {
    manager.open(Some(id.clone())).user().await.unwrap()
}

async fn count(manager: &Manager, user: &str) -> usize {
    manager.sessions_of(user).await.unwrap().len()
}

/// Waits until a condition holds.
async fn eventually(description: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while !condition().await {
        assert!(tokio::time::Instant::now() < deadline, "in vain: {description}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
