//! Server-side HTTP sessions, without a web framework.
//!
//! The client keeps only an id, usually in a cookie. The session's *items*, values of any type
//! under string keys, stay on the server, in a storage of your choice. This crate opens sessions,
//! stores their changes and lets them expire. The crate `session-actix` integrates them into
//! actix-web. With any other framework, call [`Manager::open`] at the beginning of a request and
//! [`Session::close`] before its response.
//!
//! # Quickstart
//!
//! ```
//! use std::time::Duration;
//!
//! use session_core::{Manager, MemoryStorage, Outcome, SessionId};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> session_core::Result<()> {
//! let manager = Manager::builder(MemoryStorage::new())
//!     .ttl(Duration::from_secs(30 * 60))
//!     .build()?;
//!
//! // A request arrives. The id in its cookie is a claim; opening the session does no I/O.
//! let claim = SessionId::parse("id-from-the-cookie").ok();
//! let session = manager.open(claim);
//! let visits = session.update_or("visits", 0, |visits| visits + 1).await?;
//!
//! // Before the response is sent.
//! let closed = session.close().await;
//! assert!(closed.failure.is_none(), "otherwise respond with 503 or 409");
//! if let Outcome::Issued { id } = closed.outcome {
//!     println!("Set-Cookie: id={}; Secure; HttpOnly; SameSite=Lax", id.as_str());
//! }
//!
//! // When the server shuts down.
//! manager.flush().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Choosing a storage
//!
//! | storage | shared by | survives a restart | suited to |
//! |---|---|---|---|
//! | `MemoryStorage` | one process | no | tests, single-node services whose sessions may be lost |
//! | `FileStorage` | the processes of one machine | yes | a single machine without Redis |
//! | `RedisKeyValueStorage` | every node | yes | small sessions, up to about 10 KB: the session is one JSON value |
//! | `RedisHashTableStorage` | every node | yes | large sessions: each item is a field, read and written separately |
//!
//! For any other store, implement [`Storage`], which has five required methods. Its documentation
//! is the contract, and the feature `conformance` provides a test suite for it.
//!
//! # Guarantees
//!
//! These hold on every storage, across threads, processes and nodes:
//!
//! - **No lost updates.** Concurrent requests of one session that change different items lose
//!   nothing.
//! - **A logout is final.** [`Session::remove_all`] ends the session, and no request in flight can
//!   bring it back. Such a request gets [`Error::Vanished`] instead.
//! - **No session fixation.** An id that the storage does not know is never adopted, and only
//!   `[A-Za-z0-9_-]{1,128}` becomes part of a file name or a Redis key.
//! - **Safe renewal.** [`Session::regenerate_id`] keeps the items, invalidates the old id at once,
//!   and loses nothing if a process dies half way.
//! - **No immortal sessions.** Every session has a time to live at every moment.
//! - **Atomic writes.** A reader sees a session before or after a write, never half of it.
//! - **Acknowledged means stored.** Unless [`Session::close`] reports a failure, all changes are in
//!   the store, as durable as the store itself makes them.
//! - **Bounded waiting.** All operations of one session together wait no longer than the manager's
//!   timeout, and a session that is not used does not wait at all. No restart is needed when the
//!   store recovers.
//! - **Exact expiry.** A session lives for its time to live after its last use, reads included,
//!   although uses are written only once per [touch interval](ManagerBuilder::touch_interval).
//! - **Lifetimes that hold.** The store ends a session at its
//!   [absolute](ManagerBuilder::absolute_ttl) end, which no use, write or renewal puts off.
//! - **Renewal that loses nobody.** An id that is [renewed by itself](ManagerBuilder::renew_after)
//!   fails no request in flight, and nothing leads from an id before a login to the one after it.
//! - **Atomic updates.** [`Session::update`] and [`take`](Session::take) are atomic against every
//!   other request: of a thousand concurrent increments none is lost.
//! - **Users' sessions end together.** [`Manager::end_all`] ends every session of a user, on every
//!   node, whatever requests are in flight. The index behind it leaks nothing.
//! - **Unreadable records count as no session.** A record edited by hand or of another type is
//!   logged and left as it is.
//! - **Nothing readable at rest.** With [`HashedIds`] and `Sealed`, the store is shown neither an
//!   id nor the value of an item, and a value that was changed or moved is not served.
//! - **No secrets in logs.** Neither errors nor logs show an item's value or a whole id.
//!
//! Of two requests that [`set`](Session::set) the *same* item at the same time, the later one wins.
//! For a value that depends on the one before, such as a counter, use [`update`](Session::update).
//!
//! # Items are JSON text
//!
//! Any value that serde can serialize as JSON can be an item. The storage keeps its JSON text and
//! never interprets it, so numbers of any size and precision survive, and [`get`](Session::get)
//! decodes one item without touching the others.
//!
//! A session begins with its first item; before that it has no id and takes no space. It ends with
//! [`remove_all`](Session::remove_all) or by expiry. Removing its last item leaves a session
//! without items, so that a flash message that was shown is no logout for another tab.
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `memory` | yes | `MemoryStorage` |
//! | `file` | yes | `FileStorage` |
//! | `redis` | | `Redis`, `RedisKeyValueStorage`, `RedisHashTableStorage` |
//! | `redis-tls` | | TLS to Redis, for `rediss://` addresses |
//! | `encryption` | | `Sealed`: items encrypted in any storage |
//! | `metrics` | | counters, durations and gauges, by the facade crate `metrics` |
//! | `conformance` | | the test suite for your own storages |
//! | `actix-web-4` | | [`Error`] and [`Snapshot`] as actix-web responses; enabled by `session-actix` |
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "actix-web-4")]
mod actix;
mod at_rest;
mod changes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
mod events;
#[cfg(feature = "file")]
mod file;
mod finite;
mod id;
mod lifetime;
mod manager;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "metrics")]
mod meters;
#[cfg(any(feature = "redis", feature = "encryption"))]
mod recent;
#[cfg(feature = "redis")]
mod redis;
mod session;
mod shards;
mod snapshot;
mod storage;

pub use at_rest::HashedIds;
#[cfg(feature = "encryption")]
pub use at_rest::{EncryptionKey, KeyRing, Sealed};
pub use changes::Changes;
pub use error::{Error, Result, StorageError};
pub use events::{
    ClaimRefusal, EndedBy, Event, EventSession, FailureClass, Listener, LogListener, Renewal,
    StoreOperation,
};
#[cfg(feature = "file")]
pub use file::FileStorage;
pub use id::SessionId;
pub use lifetime::Lifetime;
pub use manager::{Manager, ManagerBuilder, StoreFailure, UserSession, WhenFull};
#[cfg(feature = "memory")]
pub use memory::MemoryStorage;
#[cfg(feature = "redis")]
pub use redis::{NearCacheStats, Redis, RedisBuilder, RedisHashTableStorage, RedisKeyValueStorage};
pub use session::{Closed, Keys, Outcome, Session};
pub use snapshot::{Snapshot, Unreadable};
pub use storage::{
    Condition, Granularity, IntoStorage, ItemSwap, MAX_TTL, NewEntry, Page, RenameOptions, Scan,
    SetOptions, Storage, SwapOptions, TtlRange, UserEntry, UserIndex, WriteMode, Written,
};

/// Compiles the README's code as a doc test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
