//! Server-side sessions for actix-web.
//!
//! The browser keeps an id in a cookie. The items that belong to the id stay on the server, in
//! memory, in files or in Redis. This crate is the integration with actix-web; the sessions
//! themselves are those of [`session_core`], which it re-exports, so an app depends on this crate
//! alone.
//!
//! # Quickstart
//!
//! ```no_run
//! use actix_web::{App, HttpServer, Result, web};
//! use session_actix::{Manager, MemoryStorage, Session, SessionMiddleware};
//!
//! async fn count(session: Session) -> Result<String> {
//!     let visits = session.update_or("visits", 0, |visits| visits + 1).await?;
//!     Ok(format!("Visit number {visits}.\n"))
//! }
//!
//! #[actix_web::main]
//! async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//!     let manager = Manager::builder(MemoryStorage::new()).build()?;
//!     let sessions = SessionMiddleware::builder(manager.clone()).build()?;
//!     let app = move || App::new().route("/", web::get().to(count)).wrap(sessions.clone());
//!     HttpServer::new(app).bind("127.0.0.1:8080")?.run().await?;
//!     manager.flush().await;
//!     Ok(())
//! }
//! ```
//!
//! **Build storage, manager and middleware once, outside of the closure of `HttpServer::new`.** The
//! closure runs once for each worker, so a `MemoryStorage` built inside it is a separate store for
//! each worker, and requests of one session find it or not depending on the worker. A warning is
//! logged when that happens.
//!
//! `session_core` says [which storage is suited to what][storages]. For Redis, turn on the feature
//! `redis` and change one line:
//!
//! ```
//! # #[cfg(feature = "redis")] {
//! use session_actix::{Redis, RedisKeyValueStorage};
//!
//! let storage = RedisKeyValueStorage::new(Redis::builder("redis://127.0.0.1").build()?);
//! # }
//! # Ok::<(), session_actix::Error>(())
//! ```
//!
//! # Login and logout
//!
//! ```
//! use actix_web::Result;
//! use session_actix::Session;
//!
//! async fn login(session: Session) -> Result<&'static str> {
//!     // ... the password was right:
//!     session.login("bob").await?; // under a new id; the old one is dead
//!     Ok("welcome")
//! }
//!
//! async fn logout(session: Session) -> Result<&'static str> {
//!     session.logout().await?; // final, also for requests still in flight
//!     Ok("bye")
//! }
//! ```
//!
//! # What a handler can rely on
//!
//! - **An unused session costs nothing.** A request that does not extract its session, or does not
//!   use it, sends the store nothing, whatever cookie it carries. A slow store does not delay it.
//! - **A response acknowledges only what is stored.** The session is closed before the response
//!   begins, whatever its status. If that fails, the response is replaced by 503 with
//!   `Retry-After`, even if the handler ignored the error; by 409 if the session ended while this
//!   request wrote to it. A handler that returns the error with `?` answers the same.
//! - **The cookie is decided once per response**: it is sent when an id is new or renewed, removed
//!   when the session has ended, and otherwise not sent. A response that does either is `no-store`.
//!   One whose request used the session has `Vary: Cookie`.
//! - **An unknown id is never adopted**, and a malformed one never reaches the store.
//!
//! The guarantees of the storages - no lost updates, final logout, safe renewal - are those of
//! [`session_core`].
//!
//! # The cookie
//!
//! By default it is named `__Host-id`, is `Secure`, `HttpOnly` and `SameSite=Lax`, and lasts until
//! the browser is closed: the strictest form. Over plain HTTP, browsers accept it on `localhost`
//! only. [`CookieConfig`] changes it, and refuses combinations that browsers would drop. After the
//! path or the domain has changed, browsers may send two cookies of the name: the first that the
//! store knows counts.
//!
//! Clients other than browsers may carry the id in a [header](SessionMiddlewareBuilder::header),
//! which takes precedence over the cookie, or in a header
//! [only](SessionMiddlewareBuilder::header_only).
//!
//! # Signed ids
//!
//! An id is 160 random bits, so nobody guesses one. With
//! [signing keys](SessionMiddlewareBuilder::signing_keys) the client is sent the id with a
//! signature, and an id without a valid one counts as none: invented ids cost no question to the
//! store, and whoever can read the store has no id that a server accepts. Keys can be rotated
//! without logging anybody out.
//!
//! # Several sessions
//!
//! Visitors and admins can have sessions of their own, with other cookies, times to live and
//! storages. Each has a middleware. [`named`](SessionMiddlewareBuilder::named) gives one a type as
//! its name, by which a handler asks for it as [`NamedSession<Admin>`](NamedSession). The plain
//! [`Session`] is the one without a name. They can wrap the same routes, in any order, and the
//! response has the cookies of all.
//!
//! # Answering with the whole session
//!
//! ```
//! use session_actix::{Error, Session, Snapshot};
//!
//! async fn items(session: Session) -> Result<Option<Snapshot>, Error> {
//!     session.data().await // JSON as it is stored, or 404 if there is no session
//! }
//! ```
//!
//! # Streaming bodies
//!
//! The session is closed before the first byte of the body. A body that streams on and needs a
//! session opens its own, with [`Manager::open`] and the id that the handler has read.
//!
//! # Testing handlers
//!
//! [`Session`] can be made without a server: `Session::from(manager.open(None))`.
//!
//! # Features
//!
//! Each turns on the feature of the same name of [`session_core`].
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `memory` | yes | [`MemoryStorage`] |
//! | `file` | yes | [`FileStorage`] |
//! | `redis` | | `Redis`, `RedisKeyValueStorage`, `RedisHashTableStorage` |
//! | `redis-tls` | | TLS to Redis, `rediss://` |
//! | `encryption` | | `Sealed`: items encrypted in any storage |
//! | `metrics` | | counters, durations and gauges, by the facade crate `metrics` |
//! | `conformance` | | the test suite for storages of your own |
//!
//! # Examples
//!
//! The folder `examples` has a counter, login and logout, messages that are shown once, forms with
//! CSRF tokens, a shopping cart behind a type of its own, API tokens in a header, two sessions in
//! one app, two nodes that share their sessions, and a storage of your own.
//!
//! [storages]: session_core#choosing-a-storage
#![cfg_attr(docsrs, feature(doc_cfg))]

mod builder;
mod claims;
mod conflicts;
mod cookie;
mod extract;
mod inner_error;
mod middleware;
mod name;
mod named;
mod respond;
mod shared;
mod signature;
mod slot;
mod transport;

pub use builder::SessionMiddlewareBuilder;
pub use cookie::{CookieAge, CookieConfig};
pub use extract::{NoMiddleware, Session};
pub use inner_error::InnerError;
pub use middleware::SessionMiddleware;
pub use named::NamedSession;
pub use session_core;
#[cfg(feature = "file")]
pub use session_core::FileStorage;
#[cfg(feature = "memory")]
pub use session_core::MemoryStorage;
pub use session_core::{
    Changes, ClaimRefusal, EndedBy, Error, Event, EventSession, FailureClass, Granularity,
    HashedIds, IntoStorage, Keys, Listener, LogListener, MAX_TTL, Manager, ManagerBuilder,
    RenameOptions, Renewal, Result, SessionId, SetOptions, Snapshot, Storage, StorageError,
    StoreOperation, TtlRange, UserSession, WhenFull, WriteMode, Written,
};
#[cfg(feature = "encryption")]
pub use session_core::{EncryptionKey, KeyRing, Sealed};
#[cfg(feature = "redis")]
pub use session_core::{
    NearCacheStats, Redis, RedisBuilder, RedisHashTableStorage, RedisKeyValueStorage,
};

/// Compiles the README's code.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
