//! `file`: a session is a file of its own.
//!
//! Arrows: `storage` (the trait) -> `directory` (reading, replacing and removing one session's
//! file) -> `record` (a file's content) and `clock` (the time, and how far it can be believed).
//! `storage` and `sweep` (removing expired sessions) take `lock`s, which exclude other writers. A
//! writer changes files with a `permit`: it holds the locks, and its operation was not abandoned,
//! as `cancellation_token` tells. `storage` reads on the threads of `reader_pool`. `scan` lists the
//! files of a `directory`.

mod cancellation_token;
mod clock;
mod directory;
mod lock;
mod permit;
mod reader_pool;
mod record;
mod scan;
mod storage;
mod sweep;
mod users;

pub use storage::FileStorage;
