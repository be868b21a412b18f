//! The manager, which opens sessions and extends their times to live when they are used.
//!
//! Arrows: `builder` -> `handle` ([`Manager`]) -> `background` (tasks) -> `touch_writer` (writes
//! times to live) and `sweep` (removes expired sessions); `touch_writer` -> `touch_queue` (which
//! write is due when). `health` (whether the store works) -> `failure_log`. `handle` -> `turns`
//! (requests that update one item) and `users` (a user's sessions), which uses `user_sessions`
//! (their list). All tell `events` what happens. No file here uses [`Session`](crate::Session).

mod background;
mod builder;
mod extend;
mod failure_log;
mod handle;
mod health;
mod sweep;
mod touch_queue;
mod touch_writer;
mod turns;
mod user_sessions;
mod users;

pub use builder::ManagerBuilder;
pub use failure_log::StoreFailure;
pub(crate) use handle::IdFn;
pub use handle::Manager;
pub(crate) use touch_queue::{Facts, OwnTtl};
pub(crate) use turns::Turn;
pub use user_sessions::UserSession;
pub use users::WhenFull;
