//! The manager, which opens sessions and extends their times to live when they are used.
//!
//! Arrows: `builder` -> `background` (tasks) -> `handle` ([`Manager`]) -> `touch_queue` (the writes
//! of times to live that are due). No file here uses [`Session`](crate::Session).

mod background;
mod builder;
mod extend;
mod handle;
mod touch_queue;

pub use builder::ManagerBuilder;
pub(crate) use handle::IdFn;
pub use handle::Manager;
