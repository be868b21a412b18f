//! `file`: a session is a file of its own.
//!
//! Arrows: `storage` (the trait) -> `directory` (reading, replacing and removing one session's
//! file) -> `record` (a file's content). `storage` and `sweep` (removing expired sessions) take
//! `lock`s, which exclude other writers; `storage` reads on the threads of `reader_pool`.
//! `cancellation_token` stops a blocking writer whose operation was abandoned.

mod cancellation_token;
mod directory;
mod lock;
mod reader_pool;
mod record;
mod storage;
mod sweep;

pub use storage::FileStorage;
