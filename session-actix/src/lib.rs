//! Server-side sessions for actix-web.
//!
//! A browser keeps an id in a cookie; the items that belong to it stay on the server, in a storage
//! of `session-core`: memory, files or Redis.
//!
//! # Quickstart
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use actix_web::{App, HttpServer, Result, web};
//! use session_actix::{Session, SessionMiddleware};
//! use session_core::{Manager, MemoryStorage};
//!
//! async fn count(session: Session) -> Result<String> {
//!     let visits = session.get_or("visits", 0).await? + 1;
//!     session.set("visits", visits).await?;
//!     Ok(format!("Visit number {visits}.\n"))
//! }
//!
//! #[actix_web::main]
//! async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
//!     let manager = Manager::builder(Arc::new(MemoryStorage::new())).build()?;
//!     let sessions = SessionMiddleware::builder(manager.clone()).build()?;
//!     let app = move || App::new().route("/", web::get().to(count)).wrap(sessions.clone());
//!     HttpServer::new(app).bind("127.0.0.1:8080")?.run().await?;
//!     manager.flush().await;
//!     Ok(())
//! }
//! ```
//!
//! The manager is built once, outside the closure: its clones share one storage and one set of
//! background tasks. `session-core` says [which storage is good for what][storages]; to change to
//! Redis is one line:
//!
//! ```
//! use session_core::{Redis, RedisKeyValueStorage};
//!
//! let storage = RedisKeyValueStorage::new(Redis::builder("redis://127.0.0.1").build()?);
//! # Ok::<(), session_core::Error>(())
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
//!     session.regenerate_id(true).await?; // whoever knew the old id stays outside
//!     session.set("user", "bob").await?;
//!     Ok("welcome")
//! }
//!
//! async fn logout(session: Session) -> Result<&'static str> {
//!     session.remove_all().await?; // final, also for requests still under way
//!     Ok("bye")
//! }
//! ```
//!
//! # What a handler can rely on
//!
//! - **Unused costs nothing.** A request that does not ask for its session, or asks and does not
//!   use it, makes no call to the store, whatever cookie it carries. A sick store does not slow it.
//! - **Stored before acknowledged.** The session is closed before the response begins, whatever
//!   its status. If that fails, the response is replaced by 503 with `Retry-After`, even if the
//!   handler took no notice of an error; if the session was ended while this request wrote to it,
//!   by 409. A handler that gives up with `?` answers the same.
//! - **One decision about the cookie**: it is sent when an id is new or renewed, expired when
//!   the session has ended, and otherwise left alone. A response that carries an id is
//!   `no-store`.
//! - **An id that the store does not know is never adopted**; a cookie that is not an id at all
//!   never gets there.
//!
//! What the storages guarantee - no lost updates, final logout, safe renewal - stands in
//! `session-core`.
//!
//! # The cookie
//!
//! By default `__Host-id`, `Secure`, `HttpOnly`, `SameSite=Lax`, until the browser is closed: the
//! strictest there is. Over plain HTTP, browsers accept it on `localhost` only. [`CookieConfig`]
//! changes it, and refuses what browsers would drop. Clients that are no browsers may carry the id
//! in a [header](SessionMiddlewareBuilder::header).
//!
//! # Answering the whole session
//!
//! ```
//! use session_actix::{Error, Session};
//! use session_core::Snapshot;
//!
//! async fn items(session: Session) -> Result<Option<Snapshot>, Error> {
//!     session.data().await // JSON as it is stored, or 404 where there is no session
//! }
//! ```
//!
//! # Streaming bodies
//!
//! The session is closed before the first byte of the body. A body that streams on and needs a
//! session opens one of its own, with [`Manager::open`] and the id it was told before.
//!
//! # Examples
//!
//! The folder `examples` has a counter, login and logout, a shopping cart behind a type of its
//! own, API tokens in a header, two nodes that share their sessions, and a storage of one's own.
//!
//! [`Manager::open`]: session_core::Manager::open
//! [storages]: session_core#choosing-a-storage
mod cookie;
mod extract;
mod middleware;
mod respond;
mod transport;

pub use cookie::{CookieAge, CookieConfig};
pub use extract::{NoMiddleware, Session};
pub use middleware::{SessionMiddleware, SessionMiddlewareBuilder};
pub use session_core::Error;

/// Has the README's code compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
