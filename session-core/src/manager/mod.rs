//! Where sessions are opened, and their times to live kept in step with their use.
//!
//! Arrows: `builder` -> `background` (the tasks) -> `handle` ([`Manager`]) -> `touch_queue` (when
//! which session's time to live has to be written). Nothing here knows of [`Session`](crate::Session).

mod background;
mod builder;
mod handle;
mod touch_queue;

pub use builder::ManagerBuilder;
pub(crate) use handle::IdFn;
pub use handle::Manager;
