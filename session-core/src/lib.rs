//! Server-side HTTP sessions, without a web framework.
//!
//! A client keeps an id, mostly in a cookie; what belongs to it - its *items*, values of any type
//! under keys - stays on the server, in a storage of your choice. This crate opens such sessions,
//! stores what has changed in them, and lets them expire. The crate `session-actix` brings them
//! to actix-web; for anything else, [`Manager::open`] at the beginning of a request and
//! [`Session::close`] before its response are all there is to it.
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
//! // A request comes in; what its cookie says is a claim, and costs nothing yet.
//! let claim = SessionId::parse("what-the-cookie-says").ok();
//! let session = manager.open(claim);
//! let visits = session.get_or("visits", 0).await? + 1;
//! session.set("visits", visits).await?;
//!
//! // Before the response goes out.
//! let closed = session.close().await;
//! assert!(closed.failure.is_none(), "otherwise the answer is 503 or 409");
//! if let Outcome::Issued { id } = closed.outcome {
//!     println!("Set-Cookie: id={}; Secure; HttpOnly; SameSite=Lax", id.as_str());
//! }
//!
//! // When the server ends.
//! manager.flush().await;
//! # Ok(())
//! # }
//! ```
//!
//! # Choosing a storage
//!
//! | storage | shared by | survives a restart | good for |
//! |---|---|---|---|
//! | `MemoryStorage` | one process | no | tests, single-node services whose sessions may be lost |
//! | `FileStorage` | the processes of one machine | yes | a single machine without Redis |
//! | `RedisKeyValueStorage` | every node | yes | small sessions, up to some 10 KB: the whole is one JSON value |
//! | `RedisHashTableStorage` | every node | yes | large sessions: each item is a field, read and written by itself |
//!
//! Anything else is an implementation of [`Storage`], five methods of which are required. Its
//! documentation is the contract; the feature `conformance` is the contract as a test suite.
//!
//! # What you can rely on
//!
//! On every storage, across threads, processes and nodes:
//!
//! - **No lost updates.** Requests of one session that overlap and change different items lose
//!   nothing.
//! - **A logout is final.** [`Session::remove_all`] ends the session; no request still under way
//!   brings it back. It gets [`Error::Vanished`] instead.
//! - **No foreign ids.** An id that the storage does not know is never adopted, and nothing but
//!   `[A-Za-z0-9_-]{1,128}` comes near a file name or a Redis key.
//! - **Renewal is safe.** [`Session::regenerate_id`] keeps the items, kills the old id at once, and
//!   loses nothing if something dies half way.
//! - **Nothing stays for ever.** No session is without a time to live, not for a moment.
//! - **Whole sessions only.** A reader sees a session before or after a write, never half of it.
//! - **Acknowledged is stored.** What [`Session::close`] does not report as failed is in the store,
//!   as far as the store itself keeps its word.
//! - **A sick store is bounded.** All waiting of one session together ends with the manager's
//!   timeout; a session that is not used does not wait at all; nothing need be restarted when the
//!   store is back.
//! - **Exact expiry.** A session lives for its time to live after its last use, reads included,
//!   though uses are written only once in a [touch interval](ManagerBuilder::touch_interval).
//! - **Unreadable records** - edited by hand, of a foreign type - count as no session, are logged,
//!   and are left as they are.
//! - **No secrets in logs.** Neither errors nor logs show an item's value or a whole id.
//!
//! Not promised: that two requests which change the *same* item at the same time see each other.
//! The later write wins, so a counter may count two visits as one.
//!
//! # Items are JSON text
//!
//! Whatever serde can write as JSON can be an item. It is stored as this text and never
//! interpreted on the way, so numbers of any size and precision survive, and
//! [`get`](Session::get) decodes one item without touching the others. A session without items
//! does not exist: it has no id and takes no room.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `memory` | yes | `MemoryStorage` |
//! | `file` | yes | `FileStorage` |
//! | `redis` | | `Redis`, `RedisKeyValueStorage`, `RedisHashTableStorage` |
//! | `redis-tls` | | TLS to Redis, `rediss://` |
//! | `conformance` | | the test suite for storages of your own |
//! | `actix-web-4` | | [`Error`] and [`Snapshot`] as responses of actix-web; `session-actix` turns it on |
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "actix-web-4")]
mod actix;
mod changes;
#[cfg(feature = "conformance")]
pub mod conformance;
mod error;
#[cfg(feature = "file")]
mod file;
mod id;
mod manager;
#[cfg(feature = "memory")]
mod memory;
#[cfg(feature = "redis")]
mod redis;
mod session;
mod snapshot;
mod storage;

pub use changes::Changes;
pub use error::{Error, Result, StorageError};
#[cfg(feature = "file")]
pub use file::FileStorage;
pub use id::SessionId;
pub use manager::{Manager, ManagerBuilder};
#[cfg(feature = "memory")]
pub use memory::MemoryStorage;
#[cfg(feature = "redis")]
pub use redis::{NearCacheStats, Redis, RedisBuilder, RedisHashTableStorage, RedisKeyValueStorage};
pub use session::{Closed, Keys, Outcome, Session};
pub use snapshot::{Snapshot, Unreadable};
pub use storage::{Granularity, MAX_TTL, SetOptions, Storage, WriteMode, Written};

/// Has the README's code compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
