//! What happens in a session layer, told to a listener.
//!
//! Arrows: `emitter` (tells a listener, however it behaves) -> `listener` (the trait) -> `event`;
//! `log_listener` (the default one, which writes log lines) -> `listener`.

mod emitter;
mod event;
mod listener;
mod log_listener;

pub(crate) use emitter::Events;
pub use event::{
    ClaimRefusal, EndedBy, Event, EventSession, FailureClass, Renewal, StoreOperation,
};
pub use listener::Listener;
pub use log_listener::LogListener;
